"""A service with several addresses behind one name."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from faulty import OK, Exchange, FaultyService, faulty_service

FIRST, SECOND = "127.0.0.1", "127.0.0.2"


@pytest.fixture
def replicas() -> tuple[str, ...]:
    """The addresses at which a replica listens."""
    return FIRST, SECOND


@pytest_asyncio.fixture
async def replicated(environment: pytest.MonkeyPatch, replicas: tuple[str, ...]) -> AsyncIterator[FaultyService]:
    """The service behind /v1/classification at two addresses; must be asked for before `gateway`."""
    resolve = socket.getaddrinfo

    def resolve_name(host: str, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  as getaddrinfo
        if host != "replicas.test":
            return resolve(host, *arguments, **options)
        return [*resolve(FIRST, *arguments, **options), *resolve(SECOND, *arguments, **options)]

    environment.setattr(socket, "getaddrinfo", resolve_name)
    async with faulty_service(*replicas) as service:
        environment.setenv("NEXUS_CLASSIFICATION_URL", f"http://replicas.test:{service.port}")
        yield service


@pytest.fixture
def get(gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> Callable[..., Awaitable[int]]:
    """Sends a request to the service; returns the status."""

    async def get(method: str = "GET") -> int:
        async with http.request(method, f"{gateway}/v1/classification/x", headers=admin) as response:
            return response.status

    return get


async def broken_first(exchange: Exchange) -> None:
    if exchange.local_address == FIRST:
        exchange.close()
    else:
        await exchange.send(OK)


async def test_a_retry_goes_to_another_replica(replicated: FaultyService, get: Callable[..., Awaitable[int]]) -> None:
    replicated.behave = broken_first

    assert [await get() for _ in range(20)] == [200] * 20
    assert replicated.addresses.count(FIRST) <= 2


async def test_a_retry_takes_no_pooled_connection_to_the_replica_that_broke(
    replicated: FaultyService, get: Callable[..., Awaitable[int]]
) -> None:
    async def slow(exchange: Exchange) -> None:
        await asyncio.sleep(0.2)
        await exchange.send(OK)

    replicated.behave = slow
    assert await asyncio.gather(*(get() for _ in range(20))) == [200] * 20
    assert set(replicated.addresses) == {FIRST, SECOND}
    replicated.addresses.clear()
    replicated.behave = broken_first

    assert [await get() for _ in range(20)] == [200] * 20
    assert (FIRST, FIRST) not in pairwise(replicated.addresses)


@pytest.mark.parametrize("replicas", [(SECOND,)])
async def test_a_replica_that_refuses_connections_is_passed_over(
    replicated: FaultyService, get: Callable[..., Awaitable[int]]
) -> None:
    assert [await get("POST") for _ in range(20)] == [200] * 20
    assert set(replicated.addresses) == {SECOND}
