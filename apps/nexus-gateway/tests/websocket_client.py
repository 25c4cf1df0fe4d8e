"""A client of the gateway's WebSocket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from nexus_chassis.channels import Channel

CHANNEL = "data:product"
PRODUCT = Channel.parse(CHANNEL, None)


class Client:
    """A client of the gateway's WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, **frame: object) -> None:
        await self.socket.send(json.dumps(frame))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(20):
            return dict(json.loads(await self.socket.recv()))

    async def ask(self, **frame: object) -> dict[str, Any]:
        await self.send(**frame)
        return await self.receive()

    async def close_code(self) -> int:
        async with asyncio.timeout(20):
            await self.socket.wait_closed()
        assert self.socket.close_code
        return self.socket.close_code


@asynccontextmanager
async def client_of(gateway: str, headers: dict[str, str], *, query: str = "", **options: Any) -> AsyncIterator[Client]:  # noqa: ANN401  websockets' own
    url = f"{gateway.replace('http', 'ws', 1)}/v1/ws{query}"
    async with connect(url, additional_headers=headers, proxy=None, **options) as socket:
        yield Client(socket)
