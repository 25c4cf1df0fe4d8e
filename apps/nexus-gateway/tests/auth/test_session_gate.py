import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from nexus_chassis.errors import RedisUnavailableError
from nexus_chassis.tokens import Principal
from nexus_gateway.auth import shared_script
from nexus_gateway.auth.errors import SessionEndedError
from nexus_gateway.auth.session_gate import SessionGate, SessionState, user_epoch_key
from nexus_gateway.sessions.models import Session
from nexus_gateway.sessions.repository import SessionRepository

SESSION = Session("s1", "u1", "alice", 1_700_000_000)
STATE = SessionState("s1", "u1", "alice", 1_700_000_000)


def principal(session: str | None = "s1") -> Principal:
    return Principal("u1", "nexus", frozenset(), "token", 2_000_000_000, "j", session)


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest_asyncio.fixture
async def gate(redis: Redis) -> AsyncIterator[SessionGate]:
    """A gate, and a session that lasts."""
    await SessionRepository(redis).create(SESSION, 60)
    gate = SessionGate(redis)
    yield gate
    await gate.close()


async def test_a_session_that_lasts_is_returned(gate: SessionGate) -> None:
    assert await gate.check(principal()) == STATE


async def test_a_token_without_session_needs_none(gate: SessionGate) -> None:
    assert await gate.check(principal(None)) is None


async def test_an_ended_session_is_refused(gate: SessionGate, redis: Redis) -> None:
    await SessionRepository(redis).end("s1")

    with pytest.raises(SessionEndedError):
        await gate.check(principal())
    assert not await gate.is_active(principal())


async def test_all_sessions_of_a_user_end_when_the_epoch_of_the_user_moves_on(gate: SessionGate, redis: Redis) -> None:
    await redis.incr(user_epoch_key("u1"))
    assert not await gate.is_active(principal())

    await SessionRepository(redis).create(SESSION, 60)
    assert await gate.is_active(principal())


async def test_checks_at_once_are_each_answered_by_their_own_session(gate: SessionGate, redis: Redis) -> None:
    sessions = [Session(f"s{n}", "u1", f"name{n}", n) for n in range(200)]
    for session in sessions:
        await SessionRepository(redis).create(session, 60)
    states = await asyncio.gather(*(gate.check(principal(session.id)) for session in sessions))

    assert [(state.id, state.username, state.created) for state in states if state] == [
        (session.id, session.username, session.created) for session in sessions
    ]


async def test_a_check_reads_only(gate: SessionGate, redis: Redis) -> None:
    await gate.check(principal())
    before = await redis.info("persistence")
    for _ in range(10):
        await gate.check(principal())

    after = await redis.info("persistence")
    assert after["rdb_changes_since_last_save"] - before["rdb_changes_since_last_save"] == 0


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
    await SessionRepository(redis).create(Session("s2", "u1", "bob", 1), 60)
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


async def test_an_absent_redis_is_unavailable_but_lets_open_connections_stay(unused_tcp_port: int) -> None:
    async with Redis(port=unused_tcp_port) as absent:
        gate = SessionGate(absent)
        with pytest.raises(RedisUnavailableError):
            await gate.check(principal())
        assert await gate.may_stay(principal())
