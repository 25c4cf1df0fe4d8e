"""Requests of the server to clients of the handshake era."""

import asyncio
from collections.abc import Mapping
from secrets import token_urlsafe
from typing import Any

from mcp_server.dispatch.context import Send
from mcp_server.protocol import jsonrpc
from mcp_server.protocol.errors import INVALID_REQUEST, RpcError
from mcp_server.protocol.messages import Reply

ANSWER_SECONDS = 600.0
"""How long a client may take to answer; people are asked by it."""


class Questions:
    """The requests that wait for an answer, each by the client's key and its id, which nobody can guess."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], asyncio.Future[Reply]] = {}

    async def ask(self, client: str, send: Send, requests: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        """Send requests to a client and return its answers, by the same keys.

        Raises:
            RpcError: The client answers with an error, or not in time.
        """
        ids = {key: token_urlsafe(16) for key in requests}
        futures = {key: asyncio.get_running_loop().create_future() for key in requests}
        self._open.update({(client, ids[key]): futures[key] for key in requests})
        try:
            for key, request in requests.items():
                await send(jsonrpc.request(ids[key], request["method"], request.get("params", {})))
            async with asyncio.timeout(ANSWER_SECONDS):
                return {key: _answer(requests[key], await futures[key]) for key in requests}
        except TimeoutError:
            raise RpcError(INVALID_REQUEST, f"The client did not answer within {ANSWER_SECONDS:g} s") from None
        finally:
            for key in requests:
                del self._open[client, ids[key]]

    def waits(self, client: str, message_id: str) -> bool:
        """Return whether a request with this id waits here for the client's answer."""
        return (client, message_id) in self._open

    def answer(self, client: str, reply: Reply) -> bool:
        """Take a client's answer; returns whether one of its requests waits for it here."""
        future = self._open.get((client, str(reply.message_id)))
        if future is None:
            return False
        if not future.done():
            future.set_result(reply)
        return True


def _answer(request: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
    if reply.result is None:
        raise RpcError(INVALID_REQUEST, f"The client answered {request['method']} with an error")
    return reply.result
