"""One POST: which era its message is of, and how it is answered."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, override

from fastapi import Request, Response

from mcp_server.context import Context
from mcp_server.dispatch.context import RequestContext, Send
from mcp_server.dispatch.in_flight import CancelledByClientError
from mcp_server.dispatch.responses import respond_to_batch
from mcp_server.protocol import errors, handshake, jsonrpc, stateless
from mcp_server.protocol.errors import INVALID_REQUEST, InsufficientScopeError, RpcError
from mcp_server.protocol.jsonrpc import Batch
from mcp_server.protocol.messages import Call, MessageId, Reply
from mcp_server.protocol.session import Session
from mcp_server.sessions.errors import SessionNotFoundError
from mcp_server.sessions.service import topic_key
from mcp_server.transports.departure import Departure
from mcp_server.transports.events import EventStream
from nexus_chassis.admission import ticket_of
from nexus_chassis.tokens import Principal

if TYPE_CHECKING:
    from starlette.types import Receive, Scope
    from starlette.types import Send as SendEvent

type Answer = tuple[int, bytes | None, dict[str, str]]
type Run = Callable[[Send | None], Awaitable[Answer]]

_STATUS = {
    errors.PARSE_ERROR: 400,
    errors.INVALID_REQUEST: 400,
    errors.INVALID_PARAMS: 400,
    errors.METHOD_NOT_FOUND: 404,
    errors.HEADER_MISMATCH: 400,
    errors.MISSING_CAPABILITY: 400,
    errors.UNSUPPORTED_REVISION: 400,
    errors.INSUFFICIENT_SCOPE: 403,
    errors.OVERLOADED: 503,
}
"""HTTP status of errors in the stateless era. The handshake era answers 200, except for the errors below."""

_STATUS_OF_HANDSHAKE = frozenset(
    {errors.PARSE_ERROR, errors.INVALID_REQUEST, errors.UNSUPPORTED_REVISION, errors.INSUFFICIENT_SCOPE}
)
_LASTS = "subscriptions/listen"
_SESSION_HEADER = "Mcp-Session-Id"


class Exchange:
    """One POST."""

    def __init__(
        self,
        request: Request,
        context: Context,
        principal: Principal,
        session: Session | None,
        version: str | None,
        *,
        streams: bool,
    ) -> None:
        self._request = request
        self._context = context
        self._principal = principal
        self._session = session
        self._client = "" if session is None else topic_key(principal.subject, session.session_id)
        self._version = version
        self._streams = streams
        self._ticket = ticket_of(request)

    async def respond(self, message: Call | Reply | Batch) -> Response:
        """Return the answer to a message. That to a request is worked out while it is sent."""
        if isinstance(message, Batch):
            return _Working(partial(self._run_batch, message), streams=False)
        if isinstance(message, Reply):
            return await self._take_reply(message)
        if message.is_notification:
            return await self._take_notification(message)
        if self._is_stateless(message):
            return _Working(partial(self._run_stateless, message), streams=self._streams)
        return _Working(partial(self._run_handshake, message), streams=self._streams)

    def _is_stateless(self, call: Call) -> bool:
        if self._version in stateless.REVISIONS:
            return True
        return self._version not in handshake.REVISIONS and stateless.is_stateless(call)

    async def _take_reply(self, reply: Reply) -> Response:
        if self._session is None:
            fault = "The message is a response: send it with the Mcp-Session-Id of the request that it answers"
            error = RpcError(INVALID_REQUEST, fault, message_id=reply.message_id)
            return self.failure(reply.message_id, error, 400)
        await self._context.elsewhere.answer(self._client, reply)
        return Response(status_code=202)

    async def _take_notification(self, call: Call) -> Response:
        """Acknowledge a notification. In the stateless era a client cancels by closing the connection."""
        cancelled = call.params.get("requestId")
        if call.method == "notifications/cancelled" and self._session is not None and isinstance(cancelled, int | str):
            await self._context.elsewhere.cancel(self._client, cancelled)
        return Response(status_code=202)

    async def _run_batch(self, batch: Batch, _send: Send | None) -> Answer:
        body = await respond_to_batch(batch, lambda call: self._result_of_handshake(call, None))
        return 202 if body is None else 200, body, {}

    async def _run_handshake(self, call: Call, send: Send | None) -> Answer:
        try:
            _check_revision(self._version)
            body = await self._result_of_handshake(call, send)
        except RpcError as error:
            status = _STATUS[error.code] if error.code in _STATUS_OF_HANDSHAKE else 200
            return status, jsonrpc.failure(call.message_id, error), self._challenge(error)
        began = call.method == "initialize" and self._session is not None
        return 200, body, {_SESSION_HEADER: self._session.session_id} if began and self._session else {}

    async def _result_of_handshake(self, call: Call, send: Send | None) -> bytes:
        if call.method == "initialize" and self._session is not None:
            raise RpcError(INVALID_REQUEST, "This session is initialized already")
        context = self._about(call, send)
        context.session, context.save = self._session, self._save
        if send is not None and self._session is not None:
            context.ask = partial(self._context.questions.ask, self._client, send)
        if call.message_id is None or self._session is None:
            return jsonrpc.success(call.message_id, await self._context.methods.handshake(call, context))
        with self._context.in_flight.running(self._client, call.message_id):
            return jsonrpc.success(call.message_id, await self._context.methods.handshake(call, context))

    async def _save(self, session: Session) -> None:
        """Keep a session that has begun or was changed."""
        if self._session is None:
            await self._context.sessions.begin(self._principal.subject, session)
            self._session = session
            return
        try:
            await self._context.sessions.save(self._principal.subject, session)
        except SessionNotFoundError:
            raise RpcError(INVALID_REQUEST, "This session has ended. Send initialize again.") from None

    async def _run_stateless(self, call: Call, send: Send | None) -> Answer:
        try:
            headers = _headers(self._request)
            stateless.check_envelope(call)
            stateless.check_headers(call, headers)
            if call.method == "tools/call":
                expected = await self._context.tools.param_headers(call.params.get("name"), self._principal)
                stateless.check_param_headers(expected, call.params.get("arguments"), headers)
            with self._lasting() if call.method == _LASTS else nullcontext():
                result, suffix = await self._context.methods.stateless(call, self._about(call, send))
        except RpcError as error:
            return _STATUS.get(error.code, 200), jsonrpc.failure(call.message_id, error), self._challenge(error)
        return 200, jsonrpc.success(call.message_id, result, suffix), {}

    @contextmanager
    def _lasting(self) -> Iterator[None]:
        """A stream takes no place among the requests in flight."""
        with self._context.streams.lasting(self._principal.subject):
            if self._ticket is not None:
                self._ticket.close()
            yield

    def _about(self, call: Call, send: Send | None) -> RequestContext:
        return RequestContext(principal=self._principal, ticket=self._ticket, message_id=call.message_id, send=send)

    def failure(self, message_id: MessageId | None, error: RpcError, status: int) -> Response:
        """Return the answer to a message that cannot be read."""
        return Response(jsonrpc.failure(message_id, error), status, media_type="application/json")

    def _challenge(self, error: RpcError) -> dict[str, str]:
        return self._context.authenticator.challenge(error.scopes) if isinstance(error, InsufficientScopeError) else {}


class _Working(Response):
    """An answer that is worked out while the client waits: JSON, or events where something else comes first."""

    def __init__(self, run: Run, *, streams: bool) -> None:
        super().__init__()
        self._run = run
        self._streams = streams

    @override
    async def __call__(self, scope: "Scope", receive: "Receive", send: "SendEvent") -> None:
        stream = EventStream(send) if self._streams else None
        try:
            with Departure(receive):
                status, body, headers = await self._answer(stream)
            if stream is None or not stream.has_begun:
                await Response(body, status, headers, media_type="application/json" if body else None)(
                    scope, receive, send
                )
                return
            if body is not None:
                await stream.write(body)
            await stream.end()
        finally:
            if stream is not None:
                stream.close()

    async def _answer(self, stream: EventStream | None) -> Answer:
        try:
            return await self._run(None if stream is None else stream.write)
        except CancelledByClientError:
            return 202, None, {}


def _check_revision(version: str | None) -> None:
    """Refuse a revision that neither era has; a stateless message is checked as a whole later."""
    if version is not None and version not in handshake.REVISIONS:
        raise stateless.unsupported_revision(version, (*handshake.REVISIONS, *stateless.REVISIONS))


def _headers(request: Request) -> dict[str, list[str]]:
    """Return the headers of the protocol, by name."""
    headers: dict[str, list[str]] = {}
    for name, value in request.scope["headers"]:
        if name.startswith(b"mcp-"):
            headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return headers
