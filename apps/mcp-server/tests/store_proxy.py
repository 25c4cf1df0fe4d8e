"""A store that can be killed: a proxy in front of a real one, which ends all connections and accepts none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class StoreProxy:
    """Passes connections on to the store at `url`. `address` is the same store by way of the proxy."""

    def __init__(self, url: str) -> None:
        self._store = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def address(self) -> str:
        """URL of the store by way of the proxy."""
        return self._store._replace(netloc=f"127.0.0.1:{self.port}").geturl()

    async def start(self) -> None:
        """Let the store be there, again."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        """Let it be away, as after kill -9."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(
            self._store.hostname, self._store.port, limit=2**20
        )
        pair = {writer, upstream_writer}
        self._open |= pair
        try:
            await asyncio.gather(_pass_on(reader, upstream_writer), _pass_on(upstream_reader, writer))
        finally:
            self._open -= pair


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def store_proxy(url: str) -> AsyncIterator[StoreProxy]:
    """A proxy that runs while the block does."""
    proxy = StoreProxy(url)
    await proxy.start()
    yield proxy
    await proxy.kill()
