"""Requests that need something from the client: in rounds of the stateless era, or by requests of the server."""

from collections.abc import Awaitable, Callable

from mcp_server.dispatch.context import RequestContext
from mcp_server.protocol import capabilities
from mcp_server.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, MissingCapabilityError, RpcError
from mcp_server.protocol.messages import Call, InputRequired, Result
from mcp_server.protocol.request_state import StateSealer, binding

MAX_ROUNDS = 16
"""Times that the handler of one request of the handshake era may ask the client."""


def open_round(call: Call, context: RequestContext, sealer: StateSealer) -> None:
    """Let the context have what the client sends along with a further round.

    Raises:
        RpcError: -32602, the state is not what the server sent for this request, or something is of the wrong type.
    """
    responses, sealed = call.params.get("inputResponses"), call.params.get("requestState")
    if responses is not None:
        if not isinstance(responses, dict) or not all(isinstance(answer, dict) for answer in responses.values()):
            raise RpcError(INVALID_PARAMS, "params.inputResponses must be an object of objects")
        context.responses = responses
    if sealed is not None:
        if not isinstance(sealed, str):
            raise RpcError(INVALID_PARAMS, "params.requestState must be a string")
        opened = sealer.open(sealed, _binding(call, context))
        context.state, context.round_id = opened.value, opened.round_id


def close_round(call: Call, context: RequestContext, needed: InputRequired, sealer: StateSealer) -> Result:
    """Return the result that asks the client for input.

    Raises:
        RpcError: -32021, the client did not declare that it can provide it.
    """
    _require_capabilities(context, needed)
    state = {} if needed.state is None else {"requestState": sealer.seal(needed.state, _binding(call, context))}
    return {"resultType": "input_required", "inputRequests": needed.requests, **state}


async def run_to_the_end(run: Callable[[], Awaitable[Result | InputRequired]], context: RequestContext) -> Result:
    """Return the result of a handler, for which the server asks the client whatever the handler needs.

    Raises:
        RpcError: The client cannot be asked, or the handler asks without end.
    """
    for _ in range(MAX_ROUNDS):
        result = await run()
        if not isinstance(result, InputRequired):
            return result
        if context.ask is None:
            raise RpcError(
                INVALID_REQUEST, "This request asks its client for input: send it in a session, and accept SSE"
            )
        try:
            _require_capabilities(context, result)
        except MissingCapabilityError as error:  # older clients do not know its code
            raise RpcError(INVALID_REQUEST, error.message, error.data) from None
        context.responses = await context.ask(result.requests)
        context.state = result.state
    raise RpcError(INTERNAL_ERROR, f"The server asked for input {MAX_ROUNDS} times and was not content")


def _require_capabilities(context: RequestContext, needed: InputRequired) -> None:
    if lacking := capabilities.missing(context.capabilities, needed.requests.values()):
        raise MissingCapabilityError(lacking)


def _binding(call: Call, context: RequestContext) -> bytes:
    return binding(context.principal.subject, context.principal.client_id, call.method, call.params)
