"""Request bodies: read within limits, and as strict JSON."""

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request

from nexus_chassis import strict_json
from nexus_chassis.admission import body_too_large, ticket_of
from nexus_chassis.problems import Problem
from nexus_chassis.strict_json import InvalidJsonError


async def read_body(request: Request, limit: int) -> bytes:
    """The body, at most `limit` bytes; its memory is reserved until the request ends.

    Raises Problem 413, 429 or 503, and ClientDisconnect when the client leaves.
    """
    declared = _declared_length(request, limit)
    if (ticket := ticket_of(request)) is not None:
        await ticket.reserve(limit if declared is None else declared)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise body_too_large(limit)
    return bytes(body)


def _declared_length(request: Request, limit: int) -> int | None:
    """Content-Length; 0 for a request without a body, None for one of unknown length."""
    text = request.headers.get("content-length")
    if text is None:
        return None if "transfer-encoding" in request.headers else 0
    length = int(text)  # the server refuses what is no number
    if length > limit:
        raise body_too_large(limit)
    return length


async def read_json_bytes(request: Request, limit: int) -> bytes:
    """The body, once it is certain that it is strict JSON.

    Raises Problem 413, 415, 422, 429 or 503.
    """
    require_json(request)
    body = await read_body(request, limit)
    try:
        strict_json.check(body)
    except InvalidJsonError as error:
        raise invalid_json(error) from None
    return body


async def read_json(request: Request, limit: int, *, decimals: bool = False) -> Any:  # noqa: ANN401  any JSON value
    """The value of a JSON body; with `decimals`, numbers with a fraction or an exponent are Decimal.

    Raises Problem 413, 415, 422, 429 or 503.
    """
    require_json(request)
    body = await read_body(request, limit)
    try:
        return strict_json.loads(body, decimals=decimals)
    except InvalidJsonError as error:
        raise invalid_json(error) from None


def require_json(request: Request) -> None:
    """Raise Problem 415 unless the body is declared as JSON in UTF-8, not compressed."""
    types = request.headers.getlist("content-type")
    if len(types) != 1 or not _is_json(types[0]):
        found = f"Found Content-Type {', '.join(types)[:200]!r}." if types else "Found no Content-Type."
        raise _unsupported(f"{found} Send JSON in UTF-8 with 'Content-Type: application/json'.")
    encodings = request.headers.getlist("content-encoding")
    if any(encoding.strip().lower() not in {"", "identity"} for encoding in encodings):
        raise _unsupported(f"Found Content-Encoding {', '.join(encodings)[:200]!r}. Send the body uncompressed.")


def _is_json(content_type: str) -> bool:
    media_type, *parameters = [part.strip().lower() for part in content_type.split(";")]
    kind, _, subtype = media_type.partition("/")
    return kind == "application" and (subtype == "json" or subtype.endswith("+json")) and _is_utf8(parameters)


def _is_utf8(parameters: Iterable[str]) -> bool:
    charsets = [
        value.strip('" ') for name, _, value in (part.partition("=") for part in parameters) if name == "charset"
    ]
    return all(charset in {"utf-8", "utf8", "us-ascii"} for charset in charsets)


def _unsupported(detail: str) -> Problem:
    return Problem(415, "unsupported-media-type", "The body is not of a type that is accepted here", detail)


def invalid_json(error: InvalidJsonError) -> Problem:
    """422 for a body that is not strict JSON."""
    return Problem(422, "invalid-json", "The body is not valid JSON", f"The body cannot be read: {error}.")
