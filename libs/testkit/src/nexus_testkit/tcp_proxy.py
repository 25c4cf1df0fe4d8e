"""A TCP proxy that can be cut or hang, to stand for a server that goes away and comes back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class TcpProxy:
    """Forwards a port of 127.0.0.1 to the server in a URL, from `start` to `cut`. `answers` counts the pieces that it sent.

    `port` 0 is any free port, chosen at the first start.
    """

    def __init__(self, url: str, port: int = 0) -> None:
        target = urlsplit(url)
        self._target = (target.hostname, target.port)
        self._server: asyncio.Server | None = None
        self.port = port
        self.answers = 0
        self._connections: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    def instead_of(self, url: str) -> str:
        """The URL with this proxy in the server's place, without a password."""
        parts = urlsplit(url)
        user = f"{parts.username}@" if parts.username else ""
        return parts._replace(netloc=f"{user}127.0.0.1:{self.port}").geturl()

    async def start(self) -> None:
        """Accept connections, at the same port as before."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break all connections and refuse new ones."""
        if self._server is None:
            return
        self._server.close()
        # Also those whose task has not begun, which would close nothing when it is cancelled.
        self._server.abort_clients()
        await self._server.wait_closed()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def hang(self) -> None:
        """Accept connections, and pass nothing on until `resume`."""
        self._flowing.clear()

    def resume(self) -> None:
        """Pass on what has come meanwhile, and what comes."""
        self._flowing.set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cut()

    def _count(self) -> None:
        self.answers += 1

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._forward(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closed_afterwards(writer):
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            async with _closed_afterwards(far_writer), asyncio.TaskGroup() as group:
                group.create_task(self._copy(reader, far_writer, _ignore))
                group.create_task(self._copy(far_reader, writer, self._count))

    async def _copy(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, passed: Callable[[], None]
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                await self._flowing.wait()
                passed()
                target.write(data)
                await target.drain()
            target.write_eof()


@asynccontextmanager
async def _closed_afterwards(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _ignore() -> None:
    """Count nothing."""
