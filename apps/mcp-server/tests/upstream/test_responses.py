from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from stack import Stack, answering

from mcp_server.limits import MAX_ANSWER_BYTES
from mcp_server.upstream import responses
from mcp_server.upstream.errors import UnreadableAnswerError


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A plain HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session


class Reservations(list[int]):
    """The sizes that were reserved."""

    async def reserve(self, size: int) -> None:
        """Take note."""
        self.append(size)


async def _read(http: aiohttp.ClientSession, stack: Stack, reservations: Reservations) -> object:
    async with http.get(f"{stack.url}/answer") as response:
        return await responses.read_json(response, reservations.reserve)


async def _chunked(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(6):
        await response.write(b'"' + b"x" * 1024 * 1024)
    return response


@pytest.mark.parametrize(
    ("size", "reserved"), [(100, []), (100_000, [100_000]), (MAX_ANSWER_BYTES, [MAX_ANSWER_BYTES])]
)
async def test_memory_is_reserved_for_large_answers(
    http: aiohttp.ClientSession, stack: Stack, size: int, reserved: list[int]
) -> None:
    stack.misbehave["/answer"] = answering(200, f'"{"x" * (size - 2)}"')
    reservations = Reservations()
    assert await _read(http, stack, reservations) == "x" * (size - 2)
    assert reservations == reserved


@pytest.mark.parametrize(
    "misbehaviour", [answering(200, f'"{"x" * MAX_ANSWER_BYTES}"'), _chunked], ids=["by length", "by counting"]
)
async def test_an_answer_that_is_too_long_is_refused(
    http: aiohttp.ClientSession, stack: Stack, misbehaviour: web.Response
) -> None:
    stack.misbehave["/answer"] = misbehaviour
    with pytest.raises(UnreadableAnswerError, match=r"^its answer is longer than 5242880 bytes; ask for less at once$"):
        await _read(http, stack, Reservations())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" + "{}," * responses.MAX_VALUES + "{}]", "its answer has more than 500000 values; ask for less at once"),
        ("<html>", "its answer is not JSON"),
        ("", "its answer is not JSON"),
        ('{"x": NaN}', "its answer is not JSON"),
        ("[" * 200_000, "its answer is not JSON"),
    ],
    ids=["many values", "HTML", "empty", "NaN", "very deep"],
)
async def test_an_answer_that_cannot_be_used_is_refused(
    http: aiohttp.ClientSession, stack: Stack, text: str, reason: str
) -> None:
    stack.misbehave["/answer"] = answering(200, text)
    with pytest.raises(UnreadableAnswerError) as caught:
        await _read(http, stack, Reservations())
    assert str(caught.value) == reason
