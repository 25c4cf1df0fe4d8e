"""Request bodies: read within limits, and as strict JSON."""

from collections.abc import AsyncGenerator, Iterable, Sequence
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


async def stream_body(request: Request, limit: int, *, reserved: int) -> AsyncGenerator[bytes]:
    """The body in parts, as they arrive, at most `limit` bytes in all; the connection is read no faster than the parts are.

    Memory of `reserved` bytes is reserved until the request ends. Raises as `read_body` does.
    """
    _declared_length(request, limit)
    if (ticket := ticket_of(request)) is not None:
        await ticket.reserve(reserved)
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise body_too_large(limit)
        yield part


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
    if not _is_json(_declared_type(request)):
        raise _unsupported(f"{_found_type(request)} Send JSON in UTF-8 with 'Content-Type: application/json'.")
    _refuse_compressed(request)


def require_media_type(request: Request, accepted: Sequence[str]) -> str:
    """The declared type of the body, one of `accepted` in UTF-8, not compressed; raises Problem 415 for any other."""
    found = _declared_type(request)
    if found not in accepted:
        raise _unsupported(f"{_found_type(request)} Send one of {', '.join(accepted)}, in UTF-8.")
    _refuse_compressed(request)
    return found


def _declared_type(request: Request) -> str:
    """The media type in lower case; empty unless there is one, of text in UTF-8."""
    types = request.headers.getlist("content-type")
    if len(types) != 1:
        return ""
    media_type, *parameters = [part.strip().lower() for part in types[0].split(";")]
    return media_type if _is_utf8(parameters) else ""


def _found_type(request: Request) -> str:
    types = request.headers.getlist("content-type")
    return f"Found Content-Type {', '.join(types)[:200]!r}." if types else "Found no Content-Type."


def _refuse_compressed(request: Request) -> None:
    encodings = request.headers.getlist("content-encoding")
    if any(encoding.strip().lower() not in {"", "identity"} for encoding in encodings):
        raise _unsupported(f"Found Content-Encoding {', '.join(encodings)[:200]!r}. Send the body uncompressed.")


def _is_json(media_type: str) -> bool:
    kind, _, subtype = media_type.partition("/")
    return kind == "application" and (subtype == "json" or subtype.endswith("+json"))


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
