"""Streamable HTTP: one JSON-RPC message, or a batch of them, per POST, answered as plain JSON."""

from collections import defaultdict
from dataclasses import dataclass

from fastapi import Request, Response

from mcp_server.context import Context, get_context
from mcp_server.dispatch.context import RequestContext
from mcp_server.dispatch.responses import respond_to_batch
from mcp_server.limits import MAX_MESSAGE_BYTES
from mcp_server.protocol import errors, handshake, jsonrpc, stateless
from mcp_server.protocol.errors import InsufficientScopeError, RpcError
from mcp_server.protocol.jsonrpc import Batch
from mcp_server.protocol.messages import Call, MessageId, Result
from mcp_server.transports.errors import JsonNotAcceptedError
from mcp_server.transports.schemas import ANSWERS, EXCHANGE
from nexus_chassis.admission import ticket_of
from nexus_chassis.disconnect import cancel_on_disconnect
from nexus_chassis.request_body import read_body, require_json
from nexus_chassis.routing import Router

router = Router(tags=["mcp"])

_WAITS = frozenset({"tools/call"})
_BATCH_VERSIONS = frozenset({None, handshake.BATCH_REVISION})  # only clients of 2025-06-18 and later send the header
_STATUS = {
    errors.PARSE_ERROR: 400,
    errors.INVALID_REQUEST: 400,
    errors.INVALID_PARAMS: 400,
    errors.METHOD_NOT_FOUND: 404,
    errors.HEADER_MISMATCH: 400,
    errors.UNSUPPORTED_REVISION: 400,
    errors.INSUFFICIENT_SCOPE: 403,
    errors.OVERLOADED: 503,
}
"""HTTP status of errors in the stateless era. The handshake era answers 200, except for the errors below."""

_STATUS_OF_HANDSHAKE = frozenset(
    {errors.PARSE_ERROR, errors.INVALID_REQUEST, errors.UNSUPPORTED_REVISION, errors.INSUFFICIENT_SCOPE}
)


@router.post("/mcp", openapi_extra=EXCHANGE, responses=ANSWERS)
async def exchange(request: Request) -> Response:
    """Receive one JSON-RPC message; answer a request, acknowledge a notification."""
    context = await get_context(request)
    principal = await context.authenticator.authenticate(request)
    _require_json_accepted(request)
    require_json(request)
    body = await read_body(request, MAX_MESSAGE_BYTES)
    return await _Exchange(request, context, RequestContext(principal, ticket_of(request))).respond(body)


def _require_json_accepted(request: Request) -> None:
    accepted = {part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "*/*").split(",")}
    if not accepted & {"application/json", "application/*", "*/*"}:
        raise JsonNotAcceptedError


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One POST."""

    request: Request
    context: Context
    about: RequestContext

    async def respond(self, body: bytes) -> Response:
        version = self.request.headers.get(stateless.VERSION_HEADER)
        try:
            message = jsonrpc.read(body, batches=version in _BATCH_VERSIONS)
        except RpcError as error:
            return self._failure(error.message_id, error, 400)
        if isinstance(message, Batch):
            return _json(await cancel_on_disconnect(self.request, respond_to_batch(message, self._handle_handshake)))
        return await self._respond_to_call(message, version)

    async def _respond_to_call(self, call: Call, version: str | None) -> Response:
        is_stateless = version in stateless.REVISIONS or (
            version not in handshake.REVISIONS and stateless.is_stateless(call)
        )
        try:
            if not is_stateless:
                _check_revision(version)
            result = await self._result(call, is_stateless=is_stateless)
        except RpcError as error:
            return self._failure(call.message_id, error, _status(error, is_stateless=is_stateless))
        return _json(None if result is None else jsonrpc.success(call.message_id, result))

    async def _result(self, call: Call, *, is_stateless: bool) -> Result | None:
        if call.is_notification:  # there is none to act on: a client cancels by closing the connection
            return None
        work = self._handle_stateless(call) if is_stateless else self._handle_handshake(call)
        return await (cancel_on_disconnect(self.request, work) if call.method in _WAITS else work)

    async def _handle_handshake(self, call: Call) -> Result:
        return await self.context.methods.handshake(call, self.about)

    async def _handle_stateless(self, call: Call) -> Result:
        stateless.check_envelope(call)
        stateless.check_headers(call, _headers(self.request))
        return await self.context.methods.stateless(call, self.about)

    def _failure(self, message_id: MessageId | None, error: RpcError, status: int) -> Response:
        headers = (
            self.context.authenticator.challenge(error.scopes) if isinstance(error, InsufficientScopeError) else None
        )
        return Response(jsonrpc.failure(message_id, error), status, headers, media_type="application/json")


def _check_revision(version: str | None) -> None:
    """Refuse a revision that neither era has; a stateless message is checked as a whole later."""
    if version is not None and version not in handshake.REVISIONS:
        raise stateless.unsupported_revision(version, (*handshake.REVISIONS, *stateless.REVISIONS))


def _headers(request: Request) -> dict[str, list[str]]:
    headers = defaultdict(list)
    for name, value in request.headers.items():
        headers[name].append(value)
    return headers


def _status(error: RpcError, *, is_stateless: bool) -> int:
    if is_stateless or error.code in _STATUS_OF_HANDSHAKE:
        return _STATUS.get(error.code, 200)
    return 200


def _json(body: bytes | None) -> Response:
    if body is None:
        return Response(status_code=202)
    return Response(body, media_type="application/json")
