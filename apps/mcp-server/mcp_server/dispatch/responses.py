"""Responses to single messages and to batches."""

import asyncio
from collections.abc import Awaitable, Callable

from mcp_server.dispatch.in_flight import CancelledByClientError
from mcp_server.protocol import jsonrpc
from mcp_server.protocol.errors import INVALID_REQUEST, RpcError
from mcp_server.protocol.jsonrpc import Batch
from mcp_server.protocol.messages import Call, Reply

type Respond = Callable[[Call], Awaitable[bytes]]
"""Returns the response to a request; raises RpcError."""


async def respond(call: Call, handle: Respond) -> bytes | None:
    """Return the response to a call, None to a notification."""
    if call.is_notification:
        return None
    try:
        return await handle(call)
    except RpcError as error:
        return jsonrpc.failure(call.message_id, error)


async def respond_to_batch(batch: Batch, handle: Respond) -> bytes | None:
    """Return the response to a batch, whose calls run at the same time; None when it has notifications only."""
    responses = await asyncio.gather(*(_respond_to_member(member, handle) for member in batch.members))
    wanted = [response for response in responses if response is not None]
    return jsonrpc.batch(wanted) if wanted else None


async def _respond_to_member(member: Call | Reply | RpcError, handle: Respond) -> bytes | None:
    if isinstance(member, RpcError):
        return jsonrpc.failure(member.message_id, member)
    if isinstance(member, Reply):
        fault = "Send responses on their own"
        return jsonrpc.failure(member.message_id, RpcError(INVALID_REQUEST, fault))
    if member.method == "initialize":
        return jsonrpc.failure(member.message_id, RpcError(INVALID_REQUEST, "Send initialize on its own"))
    try:
        return await respond(member, handle)
    except CancelledByClientError:
        return None
