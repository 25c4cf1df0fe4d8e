"""The methods of each era, by name."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from typing import Any

from mcp_server.dispatch import rounds
from mcp_server.dispatch.context import LOG_LEVEL_KEY, RequestContext, meta_of
from mcp_server.protocol import notifications, stateless
from mcp_server.protocol.errors import (
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
    OVERLOADED,
    RESOURCE_NOT_FOUND,
    ResourceNotFoundError,
    RpcError,
)
from mcp_server.protocol.messages import Call, Encoded, InputRequired, Params, Result
from mcp_server.protocol.request_state import StateSealer
from mcp_server.protocol.session import begin
from nexus_chassis.errors import PoolExhaustedError, RedisUnavailableError
from nexus_chassis.telemetry import continuing_trace

type Handler = Callable[[Params, RequestContext], Awaitable[Result | InputRequired]]

_log = logging.getLogger(__name__)


class MethodRouter:
    """Answers requests of both eras. `handlers` serve the methods that are the same in each."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        *,
        of_handshake: Mapping[str, Handler],
        of_stateless: Mapping[str, Handler],
        version: str,
        capabilities: Mapping[str, Any],
        extensions: Mapping[str, Any],
        instructions: str,
        sealer: StateSealer,
    ) -> None:
        self._server_info = {"name": "nexus-mcp-server", "title": "Nexus", "version": version}
        self._initialized = {
            "capabilities": capabilities,
            "serverInfo": self._server_info,
            "instructions": instructions,
        }
        discovered = {"capabilities": {**capabilities, "extensions": extensions}, "instructions": instructions}
        self._discovered = {"supportedVersions": list(stateless.REVISIONS), **discovered}
        self._suffixes = stateless.Suffixes(self._server_info)
        self._sealer = sealer
        self._handshake: dict[str, Handler] = {
            "initialize": self._initialize,
            "ping": self._ping,
            **handlers,
            **of_handshake,
        }
        self._stateless: dict[str, Handler] = {"server/discover": self._discover, **handlers, **of_stateless}

    @property
    def methods(self) -> frozenset[str]:
        """The methods of both eras."""
        return frozenset({*self._handshake, *self._stateless})

    async def handshake(self, call: Call, context: RequestContext) -> Result:
        """Return the result of a request of the handshake era.

        Raises:
            RpcError: The method is unknown, its params are wrong, or it failed.
        """
        handler = _find(self._handshake, call.method)
        if context.session is not None:
            context.capabilities = context.session.capabilities
            context.log_level = context.session.log_level
        context.meta = meta_of(call.params)
        try:
            return await rounds.run_to_the_end(lambda: _run(handler, call, context), context)
        except ResourceNotFoundError as error:
            raise RpcError(RESOURCE_NOT_FOUND, error.message, error.data) from None

    async def stateless(self, call: Call, context: RequestContext) -> tuple[Result, bytes]:
        """Return the result of a request of the stateless era, and the members that this era adds to it.

        Raises:
            RpcError: The envelope or the params are wrong, the revision or the method is unknown, or it failed.
        """
        meta = stateless.check_envelope(call)
        stateless.check_revision(call)
        handler = _find(self._stateless, call.method)
        context.meta = meta
        context.capabilities = meta[stateless.CAPABILITIES_KEY]
        if LOG_LEVEL_KEY in meta:
            context.log_level = notifications.check_level(meta[LOG_LEVEL_KEY])
        rounds.open_round(call, context, self._sealer)
        result = await _run(handler, call, context)
        if isinstance(result, InputRequired):
            result = rounds.close_round(call, context, result, self._sealer)
        return result, self._suffixes.of(call.method, result)

    async def _initialize(self, params: Params, context: RequestContext) -> Result:
        session = begin(params)
        if context.save is not None:
            await context.save(session)
        return {"protocolVersion": session.revision, **self._initialized}

    async def _discover(self, _params: Params, _context: RequestContext) -> Result:
        return self._discovered

    async def _ping(self, _params: Params, _context: RequestContext) -> Result:
        return Encoded()


def _find(handlers: Mapping[str, Handler], method: str) -> Handler:
    handler = handlers.get(method)
    if handler is None:
        raise RpcError(METHOD_NOT_FOUND, f"There is no method {method!r:.200}; there are {', '.join(handlers)}")
    return handler


async def _run(handler: Handler, call: Call, context: RequestContext) -> Result | InputRequired:
    traceparent = context.meta.get("traceparent")
    try:
        with continuing_trace(traceparent) if isinstance(traceparent, str) else nullcontext():
            return await handler(call.params, context)
    except RpcError:
        raise
    except (RedisUnavailableError, PoolExhaustedError):
        raise RpcError(OVERLOADED, "A store that this request needs does not answer now. Try again later.") from None
    except Exception:  # noqa: BLE001 - a fault in one request must not end the connection
        _log.exception("%s failed", call.method)
        raise RpcError(INTERNAL_ERROR, "The server failed on this request; its log has the reason") from None
