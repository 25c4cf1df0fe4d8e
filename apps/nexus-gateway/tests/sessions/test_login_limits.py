"""Limits on failed sign-ins. Clients at several addresses are several addresses of the loopback network."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest
import pytest_asyncio
from conftest import PASSWORD, sign_in
from redis.asyncio import Redis
from silent_server import silent_server

from nexus_chassis.errors import RedisUnavailableError
from nexus_gateway.auth import shared_script
from nexus_gateway.auth.errors import PasswordQueueFullError
from nexus_gateway.sessions import login_limiter
from nexus_gateway.sessions.errors import TooManyAttemptsError

type ClientAt = Callable[[str], aiohttp.ClientSession]


@pytest_asyncio.fixture
async def client_at() -> AsyncIterator[ClientAt]:
    """Returns an HTTP client at an address."""
    async with AsyncExitStack() as stack:

        def client(address: str) -> aiohttp.ClientSession:
            session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=(address, 0)))
            stack.push_async_callback(session.close)
            return session

        yield client


async def fail(http: aiohttp.ClientSession, gateway: str, username: str, times: int) -> list[int]:
    return [(await sign_in(http, gateway, username, "wrong"))[0] for _ in range(times)]


async def test_after_ten_failures_an_address_waits(gateway: str, client_at: ClientAt) -> None:
    attacker = client_at("127.0.0.2")
    statuses = await fail(attacker, gateway, "admin", 10)
    async with attacker.post(f"{gateway}/v1/sessions", json={"username": "admin", "password": PASSWORD}) as response:
        problem, seconds = await response.json(content_type=None), int(response.headers["Retry-After"])

    assert statuses == [401] * 10
    assert 0 < seconds <= login_limiter.WINDOW_SECONDS
    assert problem == {
        "type": "urn:nexus:problem:too-many-attempts",
        "title": "Too many attempts",
        "status": 429,
        "detail": f"Sign-in failed too often from here. Try again in {seconds} s.",
    }


async def test_a_user_at_another_address_is_not_locked_out(gateway: str, client_at: ClientAt) -> None:
    await fail(client_at("127.0.0.2"), gateway, "admin", 11)

    assert (await sign_in(client_at("127.0.0.3"), gateway, "admin", PASSWORD))[0] == 201


async def test_another_user_at_the_same_address_is_not_locked_out(gateway: str, client_at: ClientAt) -> None:
    shared = client_at("127.0.0.2")
    await fail(shared, gateway, "somebody", 11)

    assert (await sign_in(shared, gateway, "admin", PASSWORD))[0] == 201


async def test_signing_in_forgets_the_failures(gateway: str, client_at: ClientAt) -> None:
    client = client_at("127.0.0.2")
    for _ in range(3):
        assert await fail(client, gateway, "admin", 9) == [401] * 9
        assert (await sign_in(client, gateway, "admin", PASSWORD))[0] == 201


async def test_guessing_one_users_password_from_many_addresses_is_slowed_but_locks_nobody_out(
    gateway: str, client_at: ClientAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_limiter, "MAX_USER_FAILURES", 20)
    for host in (2, 3):
        await fail(client_at(f"127.0.0.{host}"), gateway, "admin", 10)

    assert await fail(client_at("127.0.0.4"), gateway, "admin", 3) == [401, 429, 429]
    assert (await sign_in(client_at("127.0.0.5"), gateway, "admin", PASSWORD))[0] == 201


async def test_guessing_many_users_passwords_from_one_address_ends_but_not_for_who_signed_in_there_before(
    gateway: str, client_at: ClientAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_limiter, "MAX_ADDRESS_FAILURES", 20)
    shared = client_at("127.0.0.2")
    assert (await sign_in(shared, gateway, "admin", PASSWORD))[0] == 201
    statuses = [status for number in range(21) for status in await fail(shared, gateway, f"user{number}", 1)]

    assert statuses == [401] * 20 + [429]
    assert (await sign_in(shared, gateway, "admin", PASSWORD))[0] == 201


async def test_400_wrong_passwords_at_once_neither_pass_the_limit_nor_delay_a_right_one(
    gateway: str, client_at: ClientAt
) -> None:
    attacker, user = client_at("127.0.0.2"), client_at("127.0.0.3")
    attack = [asyncio.create_task(sign_in(attacker, gateway, "admin", "wrong")) for _ in range(400)]
    await asyncio.sleep(0.05)
    (status, _), signing_in = await timed(sign_in(user, gateway, "admin", PASSWORD))
    statuses = [(await attempt)[0] for attempt in attack]
    _, alone = await timed(sign_in(user, gateway, "admin", PASSWORD))
    _, refusals = await timed(asyncio.gather(*(sign_in(attacker, gateway, "admin", "wrong") for _ in range(400))))

    assert status == 201
    assert (statuses.count(401), statuses.count(429)) == (10, 390)
    # Ten passwords are checked before, two at a time. A second for a machine that does something else meanwhile.
    assert signing_in < 3 * (6 * alone + refusals) + 1


async def timed[T](work: Awaitable[T]) -> tuple[T, float]:
    started = time.perf_counter()
    return await work, time.perf_counter() - started


async def test_the_addresses_of_an_ipv6_network_count_together(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        limiter = login_limiter.LoginLimiter(redis, lambda: True)
        for number in range(10):
            await limiter.begin("alice", f"2001:db8::{number:x}")

        with pytest.raises(TooManyAttemptsError):
            await limiter.begin("alice", "2001:db8::ffff")
        await limiter.begin("alice", "2001:db8:0:1::1")
        await limiter.close()


async def test_a_crowd_does_not_wait_one_after_the_other_while_redis_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_script, "_SILENCE_SECONDS", 0.2)
    monkeypatch.setattr(login_limiter, "_PATIENCE_SECONDS", 0.3)
    async with silent_server() as port, Redis(port=port) as silent:
        limiter = login_limiter.LoginLimiter(silent, lambda: True)
        async with asyncio.timeout(2):
            crowd = (limiter.begin(f"user{number}", "192.0.2.1") for number in range(100))
            outcomes = await asyncio.gather(*crowd, return_exceptions=True)
        await limiter.close()

    assert {type(outcome) for outcome in outcomes} == {RedisUnavailableError, PasswordQueueFullError}
