"""Streamable HTTP: one JSON-RPC message per POST, answered as plain JSON."""

from collections import defaultdict
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from mcp_server.discovery.service import point_to_metadata
from mcp_server.protocol import jsonrpc, revisions
from mcp_server.protocol.jsonrpc import Call, Result, RpcError
from mcp_server.protocol.methods import Methods
from mcp_server.tools.registry import INSUFFICIENT_SCOPE, InsufficientScopeError
from mcp_server.transports.admission import SCOPE, admit
from nexus_chassis.problems import Problem
from nexus_chassis.tokens import Principal, forbidden

MOST_BYTES = 16 * 1024 * 1024
"""Bytes of one message."""

router = APIRouter(tags=["mcp"])

_STATUS = {
    jsonrpc.PARSE_ERROR: 400,
    jsonrpc.INVALID_REQUEST: 400,
    jsonrpc.INVALID_PARAMS: 400,
    jsonrpc.METHOD_NOT_FOUND: 404,
    revisions.HEADER_MISMATCH: 400,
    revisions.UNSUPPORTED_REVISION: 400,
    INSUFFICIENT_SCOPE: 403,
}
"""HTTP status of modern errors; those of the handshake era are answered with 200, but for faulty messages."""

_FAULTY_MESSAGE = frozenset({jsonrpc.PARSE_ERROR, jsonrpc.INVALID_REQUEST, revisions.UNSUPPORTED_REVISION})


@router.post("/mcp")
async def exchange(request: Request, caller: Annotated[Principal, Depends(admit)]) -> Response:
    """Take one JSON-RPC message; answer a request, acknowledge a notification."""
    _check_media_types(request)
    body = await _body(request)
    try:
        call = jsonrpc.read(body)
    except RpcError as error:
        return _failure(request, error.message_id, error, 400)
    modern = _is_modern(request, call)
    try:
        result = await _handle(request, call, caller, modern=modern)
    except RpcError as error:
        return _failure(request, call.message_id, error, _status(error, modern=modern))
    if call.is_notification:
        return Response(status_code=202)
    return Response(jsonrpc.success(call.message_id, result), media_type="application/json")


async def _handle(request: Request, call: Call, caller: Principal, *, modern: bool) -> Result:
    _check_revision(request, modern=modern)
    if call.is_notification:  # there is none to act upon: a caller cancels by closing the connection
        return {}
    if not modern:
        return await _methods(request).handshake(call, caller)
    revisions.check_envelope(call)
    revisions.check_headers(call, _headers(request))
    return await _methods(request).modern(call, caller)


def _methods(request: Request) -> Methods:
    methods: Methods = request.app.state.methods
    return methods


def _is_modern(request: Request, call: Call) -> bool:
    version = request.headers.get(revisions.VERSION_HEADER)
    return version in revisions.MODERN or (version not in revisions.HANDSHAKE and revisions.is_modern(call))


def _check_revision(request: Request, *, modern: bool) -> None:
    """Refuse a revision that neither era knows; a modern message is checked as a whole later."""
    version = request.headers.get(revisions.VERSION_HEADER)
    if not modern and version is not None and version not in revisions.HANDSHAKE:
        raise revisions.unsupported(version, (*revisions.HANDSHAKE, *revisions.MODERN))


def _headers(request: Request) -> dict[str, list[str]]:
    headers = defaultdict(list)
    for name, value in request.headers.items():
        headers[name].append(value)
    return headers


def _check_media_types(request: Request) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        detail = "The body must be one JSON-RPC message. Send it with 'Content-Type: application/json'."
        raise Problem(415, "not-json", "Only JSON is taken here", detail)
    accepted = {part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "*/*").split(",")}
    if not accepted & {"application/json", "application/*", "*/*"}:
        detail = "Answers are JSON. Send 'Accept: application/json, text/event-stream'."
        raise Problem(406, "json-not-accepted", "Answers are JSON", detail)


async def _body(request: Request) -> bytes:
    """Read the body, and stop as soon as it is too long."""
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > MOST_BYTES:
            detail = f"A message has at most {MOST_BYTES} bytes. Send less in one call."
            raise Problem(413, "message-too-long", "The message is too long", detail, most=MOST_BYTES)
    return bytes(parts)


def _status(error: RpcError, *, modern: bool) -> int:
    if modern or error.code in _FAULTY_MESSAGE or error.code == INSUFFICIENT_SCOPE:
        return _STATUS.get(error.code, 200)
    return 200


def _failure(request: Request, message_id: jsonrpc.MessageId | None, error: RpcError, status: int) -> Response:
    headers = _challenge(request, error) if isinstance(error, InsufficientScopeError) else None
    return Response(jsonrpc.failure(message_id, error), status, headers, media_type="application/json")


def _challenge(request: Request, error: InsufficientScopeError) -> dict[str, str]:
    """Name all scopes that the call needs, for a client that can ask for more (RFC 6750 section 3.1)."""
    needed = forbidden([SCOPE, *error.scopes])
    return point_to_metadata(needed, request.app.state.settings).headers
