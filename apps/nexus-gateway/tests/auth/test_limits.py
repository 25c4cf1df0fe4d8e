"""The script that counts, run by a real Redis whose clock the tests can set."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from nexus_chassis.errors import RedisUnavailableError
from nexus_chassis.gcra import NOW
from nexus_chassis.tokens import Principal
from nexus_gateway.auth import session_gate
from nexus_gateway.auth.errors import RateLimitedError, SessionEndedError
from nexus_gateway.auth.limit import Limit
from nexus_gateway.auth.limits import Charge, Usage
from nexus_gateway.auth.session_gate import SessionGate, SessionState, session_key
from nexus_gateway.auth.shared_script import SharedScript

TEN = Limit("ten", 10, 60)
THREE = Limit("three", 3, 1)
PRINCIPAL = Principal("u1", "nexus", frozenset(), "token", 2_000_000_000, "j", "s1")
STATE = SessionState("s1", "u1", "alice", 1_700_000_000)


def charge(*limits: Limit, who: str = "u1") -> Charge:
    keys = tuple(f"gateway:limit:{limit.name}:{who}" for limit in limits)
    arguments = tuple(argument for limit in limits for argument in limit.arguments)
    return Charge(limits, keys, arguments, ", ".join(limit.policy for limit in limits).encode())


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest_asyncio.fixture
async def gate(redis: Redis) -> AsyncIterator[SessionGate]:
    fields: dict[Any, Any] = {"user": "u1", "username": "alice", "created": 1_700_000_000}
    await redis.hset(session_key("s1"), mapping=fields)
    gate = SessionGate(redis)
    yield gate
    await gate.close()


class Clocked:
    """A gate whose Redis has the clock `now`, in seconds."""

    def __init__(self, redis: Redis) -> None:
        self.gate = SessionGate(redis)
        self._script = session_gate._GATE  # noqa: SLF001  what the gate runs, but for its clock
        self._redis = redis
        self.now = 1_800_000_000.0

    async def count(self, counted: Charge) -> Usage | None:
        whole, part = divmod(round(self.now * 1_000_000), 1_000_000)
        script = self._script.replace(NOW, NOW.replace("redis.call('TIME')", f"{{'{whole}', '{part}'}}"))
        self.gate._script = SharedScript(self._redis, script)  # noqa: SLF001
        try:
            return await self.gate.count(counted)
        finally:
            await self.gate.close()

    async def wait(self, counted: Charge) -> int:
        """Seconds to wait after a request that is refused."""
        with pytest.raises(RateLimitedError) as refused:
            await self.count(counted)
        return refused.value.retry_after


@pytest.fixture
def clocked(redis: Redis) -> Clocked:
    return Clocked(redis)


async def allowed(gate: SessionGate, counted: Charge, requests: int) -> int:
    """How many of so many requests at once may go on."""
    results = await asyncio.gather(*(gate.count(counted) for _ in range(requests)), return_exceptions=True)
    assert all(result is None or isinstance(result, Usage | RateLimitedError) for result in results)
    return sum(isinstance(result, Usage) for result in results)


async def test_exactly_as_many_of_many_requests_at_once_may_go_on_as_the_limit_says(gate: SessionGate) -> None:
    assert await allowed(gate, charge(TEN), 500) == 10


async def test_replicas_share_a_limit(gate: SessionGate, redis_url: str) -> None:
    async with Redis.from_url(redis_url, decode_responses=True) as other_redis:
        replica = SessionGate(other_redis)
        both = await asyncio.gather(allowed(gate, charge(TEN), 100), allowed(replica, charge(TEN), 100))
        await replica.close()

    assert sum(both) == 10


async def test_what_is_left_and_when_all_is_there_again_is_returned(clocked: Clocked) -> None:
    found = [await clocked.count(charge(TEN)) for _ in range(3)]

    policy = b'"ten";q=10;w=60'
    assert found == [Usage(policy, "ten", 9, 6), Usage(policy, "ten", 8, 12), Usage(policy, "ten", 7, 18)]
    assert found[2] is not None
    assert found[2].headers == ((b"ratelimit-policy", policy), (b"ratelimit", b'"ten";r=7;t=18'))


async def test_requests_come_back_one_by_one(clocked: Clocked) -> None:
    for _ in range(10):
        await clocked.count(charge(TEN))
    assert await clocked.wait(charge(TEN)) == 6
    clocked.now += 5.5
    assert await clocked.wait(charge(TEN)) == 1
    clocked.now += 0.5
    assert await clocked.count(charge(TEN)) == Usage(b'"ten";q=10;w=60', "ten", 0, 60)
    assert await clocked.wait(charge(TEN)) == 6


async def test_over_many_windows_no_more_go_on_than_the_limit_says(clocked: Clocked) -> None:
    gone = 0
    for _ in range(400):  # four a second for 100 s
        clocked.now += 0.25
        try:
            await clocked.count(charge(TEN))
        except RateLimitedError:
            continue
        gone += 1

    assert gone == 10 + 100 // 6


async def test_a_request_that_one_limit_refuses_uses_up_nothing_of_the_others(clocked: Clocked) -> None:
    both = charge(THREE, TEN)
    for _ in range(3):
        await clocked.count(both)
    for _ in range(50):
        assert await clocked.wait(both) == 1
    clocked.now += 1.1

    policy = b'"three";q=3;w=1, "ten";q=10;w=60'
    assert [await clocked.count(both) for _ in range(3)] == [
        Usage(policy, "three", 2, 1),
        Usage(policy, "three", 1, 1),
        Usage(policy, "three", 0, 1),
    ]
    assert await clocked.count(charge(TEN)) == Usage(b'"ten";q=10;w=60', "ten", 3, 41)


async def test_the_limit_that_refuses_for_the_longest_time_is_named(clocked: Clocked) -> None:
    two = Limit("two", 2, 600)
    for _ in range(2):
        await clocked.count(charge(two))
    for _ in range(3):
        await clocked.count(charge(THREE))
    with pytest.raises(RateLimitedError) as refused:
        await clocked.count(charge(THREE, two))

    assert (refused.value.limit, refused.value.retry_after, refused.value.headers) == (
        "two",
        300,
        {"ratelimit-policy": '"three";q=3;w=1, "two";q=2;w=600', "ratelimit": '"two";r=0;t=300'},
    )


@pytest.mark.parametrize("jump", [-3600, -61, -30, -1])
async def test_a_clock_that_goes_back_refuses_nobody_for_longer_than_a_window(clocked: Clocked, jump: int) -> None:
    for _ in range(10):
        await clocked.count(charge(TEN))
    clocked.now += jump
    assert await clocked.wait(charge(TEN)) <= 60
    clocked.now += 60

    assert isinstance(await clocked.count(charge(TEN)), Usage)


async def test_a_clock_that_goes_forward_gives_back_no_more_than_the_limit(clocked: Clocked) -> None:
    for _ in range(10):
        await clocked.count(charge(TEN))
    clocked.now += 86400
    for _ in range(10):
        await clocked.count(charge(TEN))

    assert await clocked.wait(charge(TEN)) == 6


async def test_a_limit_that_nobody_uses_any_more_leaves_nothing_behind(gate: SessionGate, redis: Redis) -> None:
    for number in range(100):
        await gate.count(charge(Limit("fast", 1000, 1), TEN, who=str(number)))
    left = [await redis.pttl(key) for key in await redis.keys("gateway:limit:ten:*")]
    await asyncio.sleep(0.1)

    assert len(left) == 100
    assert all(0 < milliseconds <= 6000 for milliseconds in left)
    assert await redis.keys("gateway:limit:fast:*") == []


async def test_session_and_limits_are_checked_together(gate: SessionGate) -> None:
    policy = b'"three";q=3;w=1'
    assert [await gate.admit(PRINCIPAL, charge(THREE)) for _ in range(3)] == [
        (STATE, Usage(policy, "three", 2, 1)),
        (STATE, Usage(policy, "three", 1, 1)),
        (STATE, Usage(policy, "three", 0, 1)),
    ]
    with pytest.raises(RateLimitedError):
        await gate.admit(PRINCIPAL, charge(THREE))
    assert await gate.check(PRINCIPAL) == STATE


async def test_a_session_that_ended_is_not_counted(gate: SessionGate, redis: Redis) -> None:
    await redis.delete(session_key("s1"))
    for _ in range(5):
        with pytest.raises(SessionEndedError):
            await gate.admit(PRINCIPAL, charge(THREE))

    assert await redis.keys("gateway:limit:*") == []


async def test_a_redis_that_takes_no_writes_counts_nothing_and_keeps_sessions(
    gate: SessionGate, redis: Redis, redis_url: str
) -> None:
    name = f"reader{secrets.token_hex(4)}"
    await redis.acl_setuser(name, enabled=True, nopass=True, keys=["*"], commands=["+@all", "-set", "-hset"])
    try:
        async with Redis.from_url(redis_url, username=name, password="any", decode_responses=True) as reader:
            reading = SessionGate(reader)
            found = [await reading.admit(PRINCIPAL, charge(THREE)) for _ in range(5)]
            await reading.close()
    finally:
        await redis.acl_deluser(name)

    assert found == [(STATE, Usage(b'"three";q=3;w=1', "three", 2, 1))] * 5
    assert await gate.check(PRINCIPAL) == STATE


async def test_while_redis_is_away_sessions_are_refused_and_tokens_of_services_pass_uncounted(
    unused_tcp_port: int,
) -> None:
    service = Principal("mcp-server", "mcp-server", frozenset(), "token", 2_000_000_000, "j")
    async with Redis(port=unused_tcp_port) as absent:
        gate = SessionGate(absent)
        with pytest.raises(RedisUnavailableError):
            await gate.admit(PRINCIPAL, charge(THREE))
        assert await gate.admit(service, charge(THREE)) == (None, None)
        assert await SessionGate(absent, fail_open=True).admit(PRINCIPAL, charge(THREE)) == (None, None)
