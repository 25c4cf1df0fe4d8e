"""Reads answers of other services, trusting nothing about them."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from pydantic_core import from_json

from mcp_server.limits import MAX_ANSWER_BYTES
from mcp_server.upstream.errors import UnreadableAnswerError
from nexus_chassis.limits import SMALL_BODY_BYTES

MAX_VALUES = 500_000
"""Values of one answer: each takes up to 72 bytes as a Python object. Commas within texts count too."""

_MAX_REASON_LENGTH = 2000  # characters

type Reserve = Callable[[int], Awaitable[None]]


async def read_json(response: aiohttp.ClientResponse, reserve: Reserve) -> Any:  # noqa: ANN401 - any JSON value
    """Return the body of an answer, after `reserve` made room for a large one.

    Raises:
        UnreadableAnswerError: It is longer than MAX_ANSWER_BYTES, has more than MAX_VALUES, or is not JSON.
    """
    body = await _read(response, reserve)
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_VALUES:
        raise UnreadableAnswerError(f"its answer has more than {MAX_VALUES} values; ask for less at once")
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError:
        return _read_deep(body)


async def _read(response: aiohttp.ClientResponse, reserve: Reserve) -> bytes:
    declared = response.content_length or 0
    if declared > MAX_ANSWER_BYTES:
        raise _too_long()
    reserved = declared > SMALL_BODY_BYTES
    if reserved:
        await reserve(declared)
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise _too_long()
        if len(body) > SMALL_BODY_BYTES and not reserved:
            await reserve(MAX_ANSWER_BYTES)
            reserved = True
    return bytes(body)


def _read_deep(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Read what is nested deeper than the quick reader allows: which part of it may be shown is decided by its user."""
    try:
        return json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise UnreadableAnswerError("its answer is not JSON") from None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _too_long() -> UnreadableAnswerError:
    return UnreadableAnswerError(f"its answer is longer than {MAX_ANSWER_BYTES} bytes; ask for less at once")


def reason_of(answer: object) -> str:
    """Return the text of a problem (RFC 9457) or an OAuth error (RFC 6749 section 5.2), without a full stop."""
    if not isinstance(answer, dict):
        return "it names no reason"
    texts = [answer.get(name) for name in ("title", "detail", "error", "error_description")]
    return ": ".join(str(text).rstrip(".") for text in texts if text)[:_MAX_REASON_LENGTH] or "it names no reason"


def describe(error: Exception) -> str:
    """Return the text of a failure to get an answer at all."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, UnreadableAnswerError):
        return str(error)
    return f"it could not be reached ({type(error).__name__})"
