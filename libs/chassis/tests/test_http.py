import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from nexus_chassis import http as http_module
from nexus_chassis.http import create_http_session


class Server:
    """Answers each request with the number of its connection."""

    def __init__(self) -> None:
        self.connections = 0
        self.close = False

    async def start(self, port: int = 0) -> str:
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", port)
        return f"http://127.0.0.1:{self._listening.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._listening.close()
        self._listening.close_clients()
        await self._listening.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = str(self.connections).encode()
        while not writer.is_closing():
            try:
                await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            closing = b"Connection: close\r\n" if self.close else b""
            writer.write(b"HTTP/1.1 200 OK\r\n" + closing + b"Content-Length: %d\r\n\r\n%b" % (len(number), number))
            if self.close:
                break
        writer.close()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with create_http_session() as session:
        yield session


async def post(session: aiohttp.ClientSession, url: str) -> str:
    async with session.post(url) as response:
        return await response.text()


async def test_connections_are_used_again(session: aiohttp.ClientSession, server: Server) -> None:
    url = await server.start()

    assert [await post(session, url) for _ in range(3)] == ["1", "1", "1"]


async def test_an_old_connection_is_not_used_again(
    session: aiohttp.ClientSession, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_module, "MAX_AGE_SECONDS", 1)
    url = await server.start()
    before = [await post(session, url) for _ in range(2)]
    await asyncio.sleep(1.1)

    assert [*before, await post(session, url)] == ["1", "1", "2"]


async def test_a_server_that_closes_its_connections_is_reached_by_new_ones(
    session: aiohttp.ClientSession, server: Server
) -> None:
    server.close = True
    url = await server.start()

    assert [await post(session, url) for _ in range(3)] == ["1", "2", "3"]


async def test_a_failed_connect_is_tried_again(
    session: aiohttp.ClientSession, server: Server, unused_tcp_port: int
) -> None:
    sending = asyncio.create_task(post(session, f"http://127.0.0.1:{unused_tcp_port}"))
    await asyncio.sleep(0.05)
    await server.start(unused_tcp_port)

    assert await sending == "1"


async def test_a_server_that_stays_away_is_reported(session: aiohttp.ClientSession, unused_tcp_port: int) -> None:
    with pytest.raises(aiohttp.ClientConnectorError):
        await post(session, f"http://127.0.0.1:{unused_tcp_port}")
