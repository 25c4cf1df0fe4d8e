import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from nexus_testkit.tcp_proxy import TcpProxy


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1024):
        writer.write(data)
    writer.close()


@pytest_asyncio.fixture
async def proxy() -> AsyncIterator[TcpProxy]:
    """Before a server that sends back what it receives."""
    async with await asyncio.start_server(_echo, "127.0.0.1", 0) as server:
        async with TcpProxy(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}") as proxy:
            yield proxy
        server.close_clients()


async def _say(proxy: TcpProxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"hello")
    return reader, writer


async def _is_over(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), 1) == b""
    except ConnectionResetError:
        return True


async def test_what_is_sent_arrives_on_both_sides(proxy: TcpProxy) -> None:
    reader, writer = await _say(proxy)
    assert (await reader.readexactly(5), proxy.answers) == (b"hello", 1)
    writer.close()


@pytest.mark.parametrize("turns", range(6))
async def test_a_cut_ends_each_connection_however_far_it_came(proxy: TcpProxy, turns: int) -> None:
    reader, writer = await _say(proxy)
    for _ in range(turns):  # of the event loop, in which the proxy accepts, connects and forwards
        await asyncio.sleep(0)
    await proxy.cut()
    assert await _is_over(reader)
    with pytest.raises(ConnectionRefusedError):
        await _say(proxy)
    writer.close()


async def test_a_server_that_was_cut_comes_back_at_its_port(proxy: TcpProxy) -> None:
    port = proxy.port
    await proxy.cut()
    await proxy.start()
    reader, writer = await _say(proxy)
    assert (await reader.readexactly(5), proxy.port) == (b"hello", port)
    writer.close()


async def test_what_came_while_it_hung_is_passed_on_afterwards(proxy: TcpProxy) -> None:
    proxy.hang()
    reader, writer = await _say(proxy)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(5), 0.2)
    proxy.resume()
    assert await reader.readexactly(5) == b"hello"
    writer.close()
