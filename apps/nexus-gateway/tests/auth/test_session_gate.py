import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from silent_server import silent_server

from nexus_chassis.errors import RedisUnavailableError
from nexus_chassis.tokens import Principal
from nexus_gateway.auth import shared_script
from nexus_gateway.auth.errors import SessionEndedError
from nexus_gateway.auth.session_gate import SEEN_SECONDS, SessionGate, SessionState, session_key, user_epoch_key
from nexus_gateway.sessions.models import Session
from nexus_gateway.sessions.repository import SessionRepository


def session(name: str, username: str, created: int) -> Session:
    return Session(
        id=name,
        user="u1",
        username=username,
        tenant="default",
        client_id="nexus",
        scopes=None,
        created=created,
        seen=created,
        expires=2_000_000_000,
        address="127.0.0.1",
        agent="tests",
    )


SESSION = session("s1", "alice", 1_700_000_000)
STATE = SessionState("s1", "u1", "alice", 1_700_000_000)


def principal(session: str | None = "s1", epoch: int = 0) -> Principal:
    return Principal("u1", "nexus", frozenset(), "token", 2_000_000_000, "j", session, epoch)


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest_asyncio.fixture
async def gate(redis: Redis) -> AsyncIterator[SessionGate]:
    """A gate, and a session that lasts."""
    await SessionRepository(redis).create(SESSION, "key", "token")
    gate = SessionGate(redis)
    yield gate
    await gate.close()


async def test_a_session_that_lasts_is_returned(gate: SessionGate) -> None:
    assert await gate.check(principal()) == STATE


async def test_a_token_without_session_needs_none(gate: SessionGate) -> None:
    assert await gate.check(principal(None)) is None


async def test_an_ended_session_is_refused(gate: SessionGate, redis: Redis) -> None:
    await SessionRepository(redis).end("u1", "s1")

    with pytest.raises(SessionEndedError):
        await gate.check(principal())
    assert not await gate.is_active(principal())


async def test_tokens_issued_before_the_epoch_of_their_user_rose_are_refused(gate: SessionGate, redis: Redis) -> None:
    await redis.set(user_epoch_key("u1"), 5)

    assert [await gate.is_active(principal(epoch=epoch)) for epoch in (0, 4, 5)] == [False, False, True]


async def test_checks_at_once_are_each_answered_by_their_own_session(gate: SessionGate, redis: Redis) -> None:
    sessions = [session(f"s{n}", f"name{n}", n) for n in range(50)]
    for each in sessions:
        await SessionRepository(redis).create(each, "key", "token")
    states = await asyncio.gather(*(gate.check(principal(each.id)) for each in sessions))

    assert [(state.id, state.username, state.created) for state in states if state] == [
        (each.id, each.username, each.created) for each in sessions
    ]


async def test_a_session_is_seen_and_checks_write_once_a_minute(gate: SessionGate, redis: Redis) -> None:
    started = int(time.time())
    await gate.check(principal())
    seen = await redis.hget(session_key("s1"), "seen")
    assert started <= int(seen or 0) <= time.time()

    recent = str(started - SEEN_SECONDS // 2)
    await redis.hset(session_key("s1"), "seen", recent)
    for _ in range(10):
        await gate.check(principal())
    assert await redis.hget(session_key("s1"), "seen") == recent

    await redis.hset(session_key("s1"), "seen", str(started - SEEN_SECONDS))
    await gate.check(principal())
    assert int(await redis.hget(session_key("s1"), "seen") or 0) >= started


async def test_a_check_goes_on_after_redis_forgot_the_script(gate: SessionGate, redis: Redis) -> None:
    await gate.check(principal())
    await redis.script_flush()

    assert await gate.check(principal()) == STATE


async def test_a_check_goes_on_after_its_connection_died(gate: SessionGate, redis: Redis, redis_url: str) -> None:
    await gate.check(principal())
    database, own = redis_url.rpartition("/")[2], str(await redis.client_id())
    for connection in await redis.client_list():
        if connection["db"] == database and connection["id"] != own:
            await redis.client_kill_filter(_id=connection["id"])

    assert await gate.check(principal()) == STATE


async def test_a_cancelled_check_does_not_shift_the_answers(gate: SessionGate, redis: Redis) -> None:
    await SessionRepository(redis).create(session("s2", "bob", 1), "key", "token")
    await gate.check(principal())
    cancelled = asyncio.create_task(gate.check(principal("s2")))
    await asyncio.sleep(0)
    cancelled.cancel()

    assert await gate.check(principal()) == STATE


async def test_a_silent_redis_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_script, "_SILENCE_SECONDS", 0.2)
    server = await asyncio.start_server(_load_and_say_nothing_more, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Redis(port=port, protocol=2) as silent:
        gate = SessionGate(silent)
        with pytest.raises(RedisUnavailableError):
            await gate.check(principal())
        await gate.close()
    server.close()


async def _load_and_say_nothing_more(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers SCRIPT LOAD and what a connection begins with."""
    while data := await reader.read(65536):
        if b"LOAD" in data:
            writer.write(b"$1\r\nx\r\n")
        elif b"EVALSHA" not in data:
            writer.write(b"+OK\r\n" * data.count(b"*"))
    writer.close()


async def test_checks_at_once_all_fail_as_soon_as_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """While Redis hangs, nobody waits until those before have waited."""
    monkeypatch.setattr(shared_script, "_SILENCE_SECONDS", 0.2)
    async with silent_server() as port, Redis(port=port) as silent:
        gate = SessionGate(silent)
        async with asyncio.timeout(3):  # one after the other would take 10 s
            answers = await asyncio.gather(*(gate.check(principal()) for _ in range(50)), return_exceptions=True)
        await gate.close()

    assert [type(answer) for answer in answers] == [RedisUnavailableError] * 50


async def test_a_check_that_is_cancelled_leaves_the_connection_to_the_others(redis: Redis) -> None:
    await SessionRepository(redis).create(SESSION, "key", "token")
    gate = SessionGate(redis)
    first, second = (asyncio.create_task(gate.check(principal())) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()

    assert await second == STATE
    await gate.close()


async def test_a_gate_that_fails_open_accepts_tokens_only_while_redis_is_absent(
    redis: Redis, unused_tcp_port: int
) -> None:
    async with Redis(port=unused_tcp_port) as absent:
        assert await SessionGate(absent, fail_open=True).check(principal()) is None

    open_gate = SessionGate(redis, fail_open=True)
    with pytest.raises(SessionEndedError):
        await open_gate.check(principal())
    await open_gate.close()


async def test_an_absent_redis_is_unavailable(unused_tcp_port: int) -> None:
    async with Redis(port=unused_tcp_port) as absent:
        gate = SessionGate(absent)
        with pytest.raises(RedisUnavailableError):
            await gate.check(principal())
