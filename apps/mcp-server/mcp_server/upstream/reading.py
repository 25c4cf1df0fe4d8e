"""Reads answers of other services, trusting nothing about them."""

from typing import Any

import aiohttp
from pydantic_core import from_json

MOST_BYTES = 16 * 1024 * 1024
"""Bytes of one answer."""

_PROBLEM_LENGTH = 2000


class UnreadableError(Exception):
    """The answer is too long or not JSON; the text says which."""


async def read_json(response: aiohttp.ClientResponse) -> Any:  # noqa: ANN401 - any JSON value
    """Read the body of an answer.

    Raises:
        UnreadableError: It is longer than MOST_BYTES, or not JSON.
    """
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > MOST_BYTES:
            raise UnreadableError(f"its answer is longer than {MOST_BYTES} bytes")
    try:
        return from_json(bytes(body), allow_inf_nan=False)
    except ValueError:
        raise UnreadableError("its answer is not JSON") from None


def explain(answer: object) -> str:
    """Give what a problem (RFC 9457) or an OAuth error (RFC 6749 section 5.2) tells people, without a full stop."""
    if not isinstance(answer, dict):
        return "it gives no reason"
    told = [answer.get(name) for name in ("title", "detail", "error", "error_description")]
    return ": ".join(str(text).rstrip(".") for text in told if text)[:_PROBLEM_LENGTH] or "it gives no reason"


def describe(error: Exception) -> str:
    """Give the text of a failure to get an answer at all."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, UnreadableError):
        return str(error)
    return f"it could not be reached ({type(error).__name__})"
