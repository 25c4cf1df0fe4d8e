import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from nexus_chassis import protocol

HEAD = b"GET /odd HTTP/1.1\r\nHost: x\r\n"


class Raw:
    """A plain connection to the service."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self._writer.write(part)
            await self._writer.drain()

    async def answer(self, seconds: float = 5) -> tuple[int, str, bool]:
        """Status, type of the problem, and whether the connection was closed."""
        async with asyncio.timeout(seconds):
            head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        body = await self._reader.readexactly(length)
        closed = b"connection: close" in head.lower()
        return int(head[9:12]), str(json.loads(body)["type"]).removeprefix("urn:nexus:problem:"), closed

    async def end(self, seconds: float = 5) -> bytes:
        """What arrives until the service closes the connection."""
        async with asyncio.timeout(seconds):
            try:
                return await self._reader.read()
            except ConnectionError:
                return b""

    def close(self) -> None:
        self._writer.close()


@pytest_asyncio.fixture
async def raw(service: str) -> AsyncIterator[Raw]:
    opened = Raw(*await asyncio.open_connection("127.0.0.1", int(service.rpartition(":")[2])))
    yield opened
    opened.close()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.2)


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"a: b\r\n" * 101,
        HEAD + b"a: " + b"b" * 65_536 + b"\r\n",
        HEAD + b"a" * 65_536 + b": b\r\n",
        b"GET /" + b"a" * 65_536 + b" HTTP/1.1\r\nHost: x\r\n",
    ],
    ids=["many headers", "a long value", "a long name", "a long address"],
)
async def test_a_large_head_is_refused(raw: Raw, head: bytes) -> None:
    await raw.send(head)

    assert await raw.answer() == (431, "head-too-large", True)


async def test_a_head_that_does_not_end_is_refused_at_64_kib(raw: Raw) -> None:
    await raw.send(HEAD + b"a: ", *[b"b" * 4096] * 17)

    assert await raw.answer() == (431, "head-too-large", True)


async def test_a_head_within_the_limits_is_served(raw: Raw) -> None:
    await raw.send(HEAD + b"".join(b"a%d: %s\r\n" % (number, b"b" * 600) for number in range(98)) + b"\r\n")

    assert await raw.answer() == (409, "odd", False)


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /odd HTTP/1.1\r\n\r\n",
        b"GET /odd HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /odd HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /odd\r\n\r\n",
        b"GET /odd HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /odd HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /odd HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /odd HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_not_http_is_refused(raw: Raw, request_head: bytes) -> None:
    await raw.send(request_head)

    assert await raw.answer() == (400, "bad-request", True)


@pytest.mark.parametrize("blank", [b" ", b"\t", b" \t "])
async def test_blanks_around_header_values_are_legal(raw: Raw, blank: bytes) -> None:
    await raw.send(b"POST /sizes HTTP/1.1\r\nHost: x\r\nContent-Length:" + blank + b"1" + blank + b"\r\n\r\n1")

    assert await raw.answer() == (415, "unsupported-media-type", False)


async def test_chunks_with_large_extensions_are_refused(raw: Raw) -> None:
    head = b"PUT /bytes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    await raw.send(head, b"1;" + b"a" * 60_000, b"a" * 60_000)

    assert await raw.answer() == (400, "bad-chunks", True)


async def test_small_chunks_are_read(raw: Raw) -> None:
    head = b"PUT /bytes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    await raw.send(head, b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n")

    assert (await raw.end()).endswith(b"\r\n\r\n10000")


@pytest.mark.usefixtures("hurried")
async def test_a_silent_connection_is_closed(raw: Raw) -> None:
    assert await raw.end(seconds=2) == b""


@pytest.mark.usefixtures("hurried")
async def test_half_a_head_is_answered_408(raw: Raw) -> None:
    await raw.send(HEAD)

    assert await raw.answer(seconds=2) == (408, "request-timeout", True)


@pytest.mark.usefixtures("hurried")
async def test_half_a_head_after_an_answer_is_answered_408(raw: Raw) -> None:
    await raw.send(HEAD + b"\r\n")
    assert await raw.answer() == (409, "odd", False)
    await raw.send(HEAD)

    assert await raw.answer(seconds=2) == (408, "request-timeout", True)


@pytest.mark.usefixtures("hurried")
async def test_a_slow_body_is_answered_408(raw: Raw) -> None:
    await raw.send(b"PUT /bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", b"x")

    assert await raw.answer(seconds=2) == (408, "request-timeout", True)


@pytest.mark.usefixtures("hurried")
async def test_a_steady_body_has_all_the_time_it_needs(raw: Raw) -> None:
    await raw.send(b"PUT /bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 6000\r\nConnection: close\r\n\r\n")
    for _ in range(6):
        await asyncio.sleep(0.1)
        await raw.send(b"x" * 1000)

    assert (await raw.end()).endswith(b"\r\n\r\n6000")


@pytest.mark.usefixtures("hurried")
async def test_an_open_websocket_has_no_deadline(raw: Raw) -> None:
    await raw.send(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with pytest.raises(TimeoutError):
        await raw.end(seconds=1)


async def test_connections_above_the_limit_are_refused(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 2)
    port = int(service.rpartition(":")[2])
    opened = [Raw(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(3)]

    assert await opened[2].answer() == (503, "overloaded", True)
    await opened[0].send(HEAD + b"\r\n")
    assert await opened[0].answer() == (409, "odd", False)
    for connection in opened:
        connection.close()


async def test_2000_silent_connections_do_not_disturb_others(service: str, http: aiohttp.ClientSession) -> None:
    port = int(service.rpartition(":")[2])
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2000)]

    async with http.get(f"{service}/odd", timeout=aiohttp.ClientTimeout(total=2)) as response:
        assert response.status == 409
    for _, writer in opened:
        writer.close()
