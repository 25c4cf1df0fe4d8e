"""Answers that clients take slowly, or not at all."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress

import pytest
import pytest_asyncio

from nexus_chassis import protocol
from nexus_testkit import Issuer, serving

ANSWER = 24 * 1024 * 1024  # more than the operating system keeps of a connection
BODY = 400 * 1024  # two of them are more than one principal gets

type Ask = Callable[[str, int], Coroutine[None, None, asyncio.StreamReader]]


@pytest_asyncio.fixture
async def ask(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ask]:
    """Ask a service of narrow limits, as a user, for an answer of so many bytes, of which nothing is read yet."""
    from example_service import create_narrow_app  # noqa: PLC0415  found on the path that conftest sets

    monkeypatch.setenv("NEXUS_ISSUER", issuer.url)
    monkeypatch.setenv("NEXUS_JWKS_URL", issuer.jwks_url)
    opened: list[asyncio.StreamWriter] = []

    async with serving(create_narrow_app()) as url:

        async def ask(user: str, size: int) -> asyncio.StreamReader:
            connection = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
            reader, writer = await asyncio.open_connection(sock=connection)
            opened.append(writer)
            writer.write(
                f"PUT /answer?size={size} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {issuer.mint('example', subject=user)}"
                f"\r\nContent-Type: application/octet-stream\r\nContent-Length: {BODY}\r\n\r\n".encode()
                + b"x" * BODY
            )
            await writer.drain()
            return reader

        yield ask
        for writer in opened:
            writer.close()


async def status_of(reader: asyncio.StreamReader) -> int:
    return int((await reader.readuntil(b"\r\n\r\n"))[9:12])


async def rest_of(reader: asyncio.StreamReader) -> int:
    """Bytes that arrive until the connection is cut, or the answer is whole."""
    arrived = 0
    with suppress(ConnectionError):
        while arrived < ANSWER and (part := await reader.read(1024 * 1024)):
            arrived += len(part)
    return arrived


async def test_an_answer_that_nobody_takes_is_given_up(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "ANSWER_SECONDS", 0.2)
    reader = await ask("alice", ANSWER)

    assert await status_of(reader) == 200
    await asyncio.sleep(1)
    assert 0 < await rest_of(reader) < ANSWER


async def test_an_answer_that_is_taken_steadily_arrives(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "ANSWER_SECONDS", 1)
    reader = await ask("alice", ANSWER)

    assert await status_of(reader) == 200
    for _ in range(8):
        await asyncio.sleep(0.3)
        await reader.readexactly(ANSWER // 16)
    assert await rest_of(reader) == ANSWER // 2


async def test_an_answer_takes_memory_until_it_is_taken(ask: Ask) -> None:
    first = await ask("alice", ANSWER)
    assert await status_of(first) == 200

    assert await status_of(await ask("alice", 1)) == 429
    assert await rest_of(first) == ANSWER
    assert await status_of(await ask("alice", 1)) == 200


async def test_answers_that_wait_longest_make_room_for_others(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_UNSENT_BYTES", ANSWER + ANSWER // 2)
    readers = []
    for user in ("alice", "bob"):
        readers.append(await ask(user, ANSWER))
        assert await status_of(readers[-1]) == 200

    assert await rest_of(readers[1]) == ANSWER
    assert 0 < await rest_of(readers[0]) < ANSWER
