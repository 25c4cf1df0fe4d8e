"""How requests are counted, by a clock of the test."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from nexus_chassis.gcra import ADMIT, NOW

SECOND = 1_000_000
COUNT = f"{ADMIT}{NOW} return {{admit(now, 1, 1)}}"


class Clocked:
    """Counts requests at the time `now`, in seconds."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.now = 1_800_000_000

    async def count(self, **limits: tuple[int, int]) -> list[int]:
        """Count a request by limits of so many requests in so many seconds; returns what `admit` does."""
        script = COUNT.replace(NOW, NOW.replace("redis.call('TIME')", f"{{'{self.now}', '0'}}"))
        windows = [(seconds * SECOND // count, seconds * SECOND) for count, seconds in limits.values()]
        arguments = [str(number) for window in windows for number in window]
        found: list[int] = await self._redis.eval(script, len(limits), *limits, *arguments)  # type: ignore[misc]
        return found


@pytest.fixture
async def clocked(redis_url: str) -> AsyncIterator[Clocked]:
    async with Redis.from_url(redis_url) as redis:
        yield Clocked(redis)


async def test_so_many_come_at_once_and_come_back_one_by_one(clocked: Clocked) -> None:
    assert [await clocked.count(a=(3, 30)) for _ in range(4)] == [
        [1, 1, 2, 10_000],
        [1, 1, 1, 20_000],
        [1, 1, 0, 30_000],
        [0, 1, 0, 10_000],
    ]
    clocked.now += 10
    assert [(await clocked.count(a=(3, 30)))[0] for _ in range(2)] == [1, 0]


async def test_what_one_limit_refuses_is_counted_by_none(clocked: Clocked) -> None:
    assert (await clocked.count(a=(1, 10), b=(5, 10)))[:3] == [1, 1, 0]
    assert await clocked.count(a=(1, 10), b=(5, 10)) == [0, 1, 0, 10_000]
    assert (await clocked.count(b=(5, 10)))[2] == 3


async def test_a_clock_that_goes_back_refuses_nobody_for_longer_than_the_window(clocked: Clocked) -> None:
    assert (await clocked.count(a=(1, 10)))[0] == 1
    clocked.now -= 3600
    assert await clocked.count(a=(1, 10)) == [0, 1, 0, 10_000]
    clocked.now += 10
    assert (await clocked.count(a=(1, 10)))[0] == 1


async def test_without_limits_all_pass(clocked: Clocked) -> None:
    assert await clocked.count() == [1, 0, 0, 0]
