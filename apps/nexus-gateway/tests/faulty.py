"""A service behind the gateway that sends exactly the bytes a test wants, and breaks its connections as a test wants."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

type Behaviour = Callable[["Exchange"], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Exchange:
    """One request that was received, and the connection to answer on. `number` counts the service's requests from 1."""

    def __init__(self, head: bytes, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = head
        self.number = number
        self.reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        peer: socket.socket = self._writer.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    @property
    def local_address(self) -> str:
        return str(self._writer.get_extra_info("sockname")[0])


class FaultyService:
    """The service; `behave` is what it does with each request, `heads` are those that it received."""

    def __init__(self) -> None:
        self.url = ""
        self.port = 0
        self.heads: list[bytes] = []
        self.addresses: list[str] = []
        self.behave: Behaviour = answer_ok

    def header(self, name: str) -> list[str]:
        """The values of a header in the last request."""
        lines = self.heads[-1].decode("latin-1").split("\r\n")[1:]
        pairs = [line.partition(":")[::2] for line in lines]
        return [value.strip() for key, value in pairs if key.lower() == name]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head)
                exchange = Exchange(head, len(self.heads), reader, writer)
                self.addresses.append(exchange.local_address)
                await self.behave(exchange)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def answer_ok(exchange: Exchange) -> None:
    await exchange.send(OK)


async def hang(_: Exchange) -> None:
    await asyncio.sleep(60)


@asynccontextmanager
async def faulty_service(*hosts: str) -> AsyncIterator[FaultyService]:
    """Serve on one port of these addresses."""
    service = FaultyService()
    async with AsyncExitStack() as stack:
        for host in hosts:
            server = await asyncio.start_server(service.serve, host, service.port)
            stack.push_async_callback(server.wait_closed)
            stack.callback(server.close)
            stack.callback(server.close_clients)
            service.port = server.sockets[0].getsockname()[1]
        service.url = f"http://{hosts[0]}:{service.port}"
        yield service
