"""The header field Idempotency-Key (draft-ietf-httpapi-idempotency-key-header), and answers that may be repeated."""

import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from pydantic_core import to_json

from dataflow_service.idempotency.errors import InvalidKeyError
from dataflow_service.idempotency.models import Answer, Attempt, StreamAttempt
from dataflow_service.idempotency.service import Opening, Transaction, answer_once, answer_stream_once
from nexus_chassis import strict_json
from nexus_chassis.principal import Principal
from nexus_chassis.request_body import invalid_json, read_body, require_json
from nexus_chassis.strict_json import InvalidJsonError

if TYPE_CHECKING:
    from hashlib import _Hash

_STRING = r'"[ !#-\[\]-~]{1,255}"'
_BARE = r"[!#-+\--:<-\[\]-~]{1,255}"
_KEY = re.compile(f"{_STRING}|{_BARE}")
"""A string (RFC 9651 section 3.3.3), or as many clients send it, without quotes; then no comma and no semicolon."""

IDEMPOTENCY_KEY = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "a string of the client's own: a repeated request with it has the answer of the first, for 24 hours",
            "schema": {"type": "string", "pattern": rf"^({_STRING}|{_BARE})$"},
        }
    ]
}


async def read_json_attempt[T](
    request: Request, principal: Principal, limit: int, parse: Callable[[Any], T]
) -> tuple[T, Attempt | None]:
    """Return what `parse` makes of a JSON body with Decimal numbers, and the attempt that a request with a key is.

    The body itself is not kept in memory. Raises InvalidKeyError, and Problem as read_json does.
    """
    document, attempt = await _read(request, principal, limit)
    return parse(document), attempt


async def _read(request: Request, principal: Principal, limit: int) -> tuple[Any, Attempt | None]:
    key = _key(request)
    require_json(request)
    body = await read_body(request, limit)
    attempt = None if key is None else Attempt(principal.subject, key, digest_of(request, principal, body).digest())
    try:
        return strict_json.loads(body, decimals=True), attempt
    except InvalidJsonError as error:
        raise invalid_json(error) from None


def bodiless_attempt(request: Request, principal: Principal) -> Attempt | None:
    """Return the attempt that a request with a key is, whose body is not read; raises InvalidKeyError."""
    key = _key(request)
    return None if key is None else Attempt(principal.subject, key, digest_of(request, principal, b"").digest())


def stream_attempt(request: Request, principal: Principal, media_type: str) -> StreamAttempt | None:
    """Return the attempt that a request with a key is, whose body is read in parts; raises InvalidKeyError."""
    key = _key(request)
    if key is None:
        return None
    return StreamAttempt(principal.subject, key, digest_of(request, principal, media_type.encode()))


async def respond_to_stream[T: Transaction](
    attempt: StreamAttempt | None,
    parts: AsyncIterator[bytes],
    opening: Opening[T],
    work: Callable[[Opening[T]], Awaitable[Answer]],
) -> Response:
    """Return the response to a request that may be repeated, whose body is `parts`; see `answer_stream_once`."""
    answer = await (work(opening) if attempt is None else answer_stream_once(attempt, parts, opening, work))
    return Response(answer.body, answer.status, answer.headers)


async def respond[T: Transaction](
    attempt: Attempt | None, opening: Opening[T], work: Callable[[Opening[T]], Awaitable[Answer]]
) -> Response:
    """Return the response to a request that may be repeated; see `answer_once`."""
    answer = await answer_once(attempt, opening, work)
    return Response(answer.body, answer.status, answer.headers)


def _key(request: Request) -> str | None:
    lines = request.headers.getlist("idempotency-key")
    if not lines:
        return None
    if len(lines) != 1 or not _KEY.fullmatch(lines[0]):
        raise InvalidKeyError
    return lines[0].strip('"')


def digest_of(request: Request, principal: Principal, begun: bytes) -> "_Hash":
    """Return what two requests have in common that ask for the same: for the same tenant, at the same address."""
    target = (request.method, request.scope["path"], request.scope["query_string"].decode("latin-1"))
    return hashlib.sha256(to_json([principal.tenant, *target]) + begun)
