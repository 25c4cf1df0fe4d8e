"""Responses to single messages and to batches."""

import asyncio
from collections.abc import Awaitable, Callable

from mcp_server.protocol import jsonrpc
from mcp_server.protocol.errors import INVALID_REQUEST, RpcError
from mcp_server.protocol.jsonrpc import Batch
from mcp_server.protocol.messages import Call, Result

type Handle = Callable[[Call], Awaitable[Result]]


async def respond(call: Call, handle: Handle) -> bytes | None:
    """Return the response to a call, None to a notification."""
    if call.is_notification:
        return None
    try:
        return jsonrpc.success(call.message_id, await handle(call))
    except RpcError as error:
        return jsonrpc.failure(call.message_id, error)


async def respond_to_batch(batch: Batch, handle: Handle) -> bytes | None:
    """Return the response to a batch, whose calls run at the same time; None when it has notifications only."""
    responses = await asyncio.gather(*(_respond_to_member(member, handle) for member in batch.members))
    wanted = [response for response in responses if response is not None]
    return jsonrpc.batch(wanted) if wanted else None


async def _respond_to_member(member: Call | RpcError, handle: Handle) -> bytes | None:
    if isinstance(member, RpcError):
        return jsonrpc.failure(member.message_id, member)
    if member.method == "initialize":
        return jsonrpc.failure(member.message_id, RpcError(INVALID_REQUEST, "Send initialize on its own"))
    return await respond(member, handle)
