import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from nexus_chassis import revocation_stream
from nexus_chassis.drain import Drain
from nexus_chassis.errors import RedisUnavailableError
from nexus_chassis.principal import Principal
from nexus_chassis.revocation_stream import (
    STREAM,
    RevocationFeed,
    read_revocations,
    revoke_key,
    revoke_session,
    revoke_subject,
)
from nexus_chassis.revocations import KEPT_SECONDS, RevocationPage, Revocations, revocation_hash
from nexus_chassis.runtime import runtime_of
from nexus_testkit import RevocationServer


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest_asyncio.fixture
async def follower(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


async def get(http: aiohttp.ClientSession, url: str, after: str = "0-0", wait: float = 0) -> tuple[object, float]:
    """The answer, and the seconds it took."""
    started = time.monotonic()
    async with http.get(url, params={"after": after, "wait": str(wait)}) as response:
        return await response.json(content_type=None), time.monotonic() - started


async def test_a_page_names_what_ended_by_hashes(redis: Redis) -> None:
    await revoke_session(redis, "session")
    await revoke_subject(redis, "alice", 3)
    await revoke_key(redis, "key")
    page = await read_revocations(redis)

    assert page.body() == {
        "sessions": [revocation_hash("session")],
        "subjects": {revocation_hash("alice"): 3},
        "keys": ["key"],
        "cursor": page.cursor,
    }
    assert RevocationPage.parse(page.body()) == page
    assert await read_revocations(redis, page.cursor) == RevocationPage(page.cursor)


async def test_what_concerns_only_expired_tokens_is_forgotten(redis: Redis) -> None:
    for _ in range(200):
        await redis.xadd(STREAM, {"session": "old"}, id="1-*")
    await revoke_session(redis, "session")

    assert await redis.xlen(STREAM) <= 101


async def test_a_process_that_starts_does_not_learn_what_concerns_only_expired_tokens(redis: Redis) -> None:
    old = round((time.time() - KEPT_SECONDS - 10) * 1000)
    await redis.xadd(STREAM, {"subject": "forgotten", "epoch": old}, id=f"{old}-0")
    await redis.xadd(STREAM, {"session": "current"})
    page = await read_revocations(redis)

    assert (page.subjects, page.sessions) == ({}, ["current"])


@pytest.mark.parametrize("after", ["", "x", "-", "+", "0-0 "])
async def test_a_cursor_that_is_none_is_refused(redis: Redis, follower: Redis, after: str) -> None:
    with pytest.raises(ValueError, match="is not an offset"):
        await read_revocations(redis, after)
    with pytest.raises(ValueError, match="is not an offset"):
        await RevocationFeed(redis, follower, Revocations()).page(after, 0, "")


async def test_an_answer_comes_when_something_ends_and_then_every_waiter_has_it(
    revoking: RevocationServer, http: aiohttp.ClientSession
) -> None:
    waiting = [asyncio.create_task(get(http, revoking.url, wait=10)) for _ in range(20)]
    await asyncio.sleep(0.5)
    await revoke_session(revoking.redis, "session")
    answers = await asyncio.gather(*waiting)

    page = await read_revocations(revoking.redis)
    assert [body for body, _ in answers] == [page.body()] * 20
    assert all(0.4 < seconds < 5 for _, seconds in answers)


async def test_an_answer_without_anything_new_comes_after_the_wait(
    revoking: RevocationServer, http: aiohttp.ClientSession
) -> None:
    body, seconds = await get(http, revoking.url, wait=1)

    assert body == {"sessions": [], "subjects": {}, "keys": [], "cursor": "0-0"}
    assert 0.9 < seconds < 5


async def test_pages_are_read_from_memory_and_older_ones_from_redis(
    revoking: RevocationServer, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation_stream, "_MAX_KEPT", 4)
    monkeypatch.setattr(revocation_stream, "MAX_REVOCATIONS", 3)
    names = [str(number) for number in range(10)]
    for name in names:
        await revoke_session(revoking.redis, name)
    await asyncio.sleep(0.2)

    found: list[str] = []
    cursor, more = "0-0", True
    while more:
        body, _ = await get(http, revoking.url, cursor, wait=0.05)
        page = RevocationPage.parse(body)
        found += page.sessions
        more, cursor = page.cursor != cursor, page.cursor
    assert found == [revocation_hash(name) for name in names]


async def test_one_process_reads_the_stream_once_however_many_wait(
    revoking: RevocationServer, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[str] = []
    execute = Redis.execute_command

    async def note(self: Redis, *args: object, **options: object) -> object:
        commands.append(str(args[0]))
        return await execute(self, *args, **options)

    waiting = [asyncio.create_task(get(http, revoking.url, wait=4)) for _ in range(30)]
    await asyncio.sleep(2)
    monkeypatch.setattr(Redis, "execute_command", note)
    await revoke_session(revoking.redis, "session")
    await asyncio.gather(*waiting)

    assert commands[:3] == ["XADD", "XRANGE", "XRANGE"]  # once for what is new, and once to find that there is no more
    assert set(commands[3:]) <= {"XREAD"}


async def test_more_waiters_than_may_wait_are_answered_at_once(
    revoking: RevocationServer, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation_stream, "MAX_WAITERS_PER_ADDRESS", 3)
    answers = await asyncio.gather(*(get(http, revoking.url, wait=1) for _ in range(8)))
    again = await asyncio.gather(*(get(http, revoking.url, wait=1) for _ in range(3)))

    assert sorted(seconds > 0.9 for _, seconds in answers) == [False] * 5 + [True] * 3
    assert [seconds > 0.9 for _, seconds in again] == [True] * 3


async def test_who_leaves_waits_no_more(
    revoking: RevocationServer, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation_stream, "MAX_WAITERS", 1)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await get(http, revoking.url, wait=10)
        await asyncio.sleep(0.5)  # in which the service learns of it

    assert (await get(http, revoking.url, wait=1))[1] > 0.9


async def test_a_process_that_drains_answers_who_waits(revoking: RevocationServer, http: aiohttp.ClientSession) -> None:
    waiting = asyncio.create_task(get(http, revoking.url, wait=10))
    await asyncio.sleep(0.2)
    runtime_of(revoking.app).drain.start()
    body, seconds = await waiting

    assert body == {"sessions": [], "subjects": {}, "keys": [], "cursor": "0-0"}
    assert seconds < 5
    assert (await get(http, revoking.url, wait=10))[1] < 5


async def test_a_feed_goes_on_when_redis_cuts_its_connection(redis: Redis, follower: Redis, redis_url: str) -> None:
    revocations = Revocations()
    feed = RevocationFeed(redis, follower, revocations)
    principal = Principal("alice", "tests", frozenset(), "token", 0, "1", "session")
    async with feed.running(Drain()):
        await asyncio.sleep(0.2)
        own, database = str(await redis.client_id()), redis_url.rpartition("/")[2]
        for client in await redis.client_list():
            if client["db"] == database and client["id"] != own:
                await redis.client_kill_filter(_id=client["id"])
        await revoke_session(redis, "session")
        page = await feed.page("0-0", 2, "")
        await asyncio.sleep(0.4)

    assert page.sessions == [revocation_hash("session")]
    assert revocations.reason(principal) == "its session was ended"


async def test_a_feed_without_redis_says_so(unused_tcp_port: int) -> None:
    async with Redis(port=unused_tcp_port) as absent, Redis(port=unused_tcp_port) as follower:
        feed = RevocationFeed(absent, follower, Revocations())
        async with feed.running(Drain()):
            with pytest.raises(RedisUnavailableError):
                await feed.page("0-0", 1, "")
