import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from nexus_chassis.connection_pool import ConnectionPool
from nexus_chassis.migrations import apply_migrations
from nexus_chassis.tokens import Principal
from nexus_chassis.unit_of_work import Database
from nexus_gateway.audit import tally
from nexus_gateway.audit import writer as writers
from nexus_gateway.audit.models import AuditEntry, AuditEvent, Filter
from nexus_gateway.audit.service import AuditService
from nexus_gateway.audit.tally import MAX_COUNTED
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.opening import MIGRATIONS

PRINCIPAL = Principal(
    "u1", "nexus", frozenset({"admin"}), "token", 2_000_000_000, "j", "s1", 3, ("mcp-server", "nexus-gateway"), "acme"
)


class Server:
    """The way to PostgreSQL, which can be cut."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.away = False

    async def connect(self) -> asyncpg.Connection:
        if self.away:
            raise ConnectionRefusedError("away")
        return await asyncpg.connect(self._url)

    async def cut(self) -> None:
        """End the connections that there are, and let nobody connect."""
        self.away = True
        connection = await asyncpg.connect(self._url)
        await connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE usename = current_user AND pid != pg_backend_pid()"
        )
        await connection.close()


@pytest_asyncio.fixture
async def schema(postgres_url: str) -> str:
    """URL of a schema that is migrated."""
    connection = await asyncpg.connect(postgres_url)
    await apply_migrations(connection, MIGRATIONS)
    await connection.close()
    return postgres_url


@pytest.fixture
def server(schema: str) -> Server:
    return Server(schema)


@pytest_asyncio.fixture
async def database(server: Server) -> AsyncIterator[Database]:
    database = Database(ConnectionPool(server.connect, 5))
    yield database
    await database.close()


@pytest_asyncio.fixture
async def audit(database: Database) -> AuditWriter:
    return AuditWriter(database)


async def rows(database: Database) -> list[AuditEntry]:
    return (await AuditService(database).page(Filter(), 0, 100_000))[0]


async def events(database: Database) -> list[AuditEvent]:
    return [entry.event for entry in await rows(database)]


async def test_an_event_is_written_within_a_second_as_it_was_recorded(audit: AuditWriter, database: Database) -> None:
    event = AuditEvent.by(
        PRINCIPAL, "user.update", "failed", target="user:u2", address="192.0.2.1", detail={"b": "2", "a": "é"}
    )
    async with audit.running():
        before = datetime.now(UTC)
        audit.record(event)
        after = datetime.now(UTC)
        await asyncio.sleep(1)
        (row,) = await rows(database)

    assert (row.seq, row.event) == (
        1,
        AuditEvent(
            "user.update",
            "failed",
            "u1",
            ("mcp-server", "nexus-gateway"),
            "nexus",
            "acme",
            "s1",
            "user:u2",
            "192.0.2.1",
            {"a": "é", "b": "2"},
        ),
    )
    assert before <= row.at <= after


async def test_a_row_is_chained_by_the_hash_of_its_json_after_the_hash_of_the_row_before(
    audit: AuditWriter, database: Database
) -> None:
    audit.record(AuditEvent("first", "success", "u1", ("x",), detail={"b": "2", "a": "é"}))
    audit.record(AuditEvent("second", "refused"))
    await audit.flush()

    first, second = await rows(database)
    one = (
        f'["nexus-audit-1",1,{microseconds(first)},"first","success",null,"u1",["x"],null,null,null,null,'
        '{"a":"\\u00e9","b":"2"}]'
    )
    two = f'["nexus-audit-1",2,{microseconds(second)},"second","refused",null,null,[],null,null,null,null,{{}}]'
    assert first.hash == hashlib.sha256(bytes(32) + one.encode()).digest()
    assert second.hash == hashlib.sha256(first.hash + two.encode()).digest()


def microseconds(entry: AuditEntry) -> int:
    return int(entry.at.timestamp()) * 1_000_000 + entry.at.microsecond


async def test_texts_that_postgresql_does_not_take_are_replaced_and_long_ones_are_cut(
    audit: AuditWriter, database: Database
) -> None:
    audit.record(AuditEvent("a\x00b", subject="\ud800", target="t" * 5000, detail={"long": "d" * 5000}))
    await audit.flush()

    assert await events(database) == [
        AuditEvent("a\ufffdb", subject="?", target="t" * 1024, detail={"long": "d" * 1024})
    ]
    assert await AuditService(database).verify() == (1, (await rows(database))[0].head)


async def test_writers_that_write_at_once_make_one_unbroken_chain(database: Database) -> None:
    writers_at_once = [AuditWriter(database) for _ in range(4)]
    for number in range(600):
        for index, audit in enumerate(writers_at_once):
            audit.record(AuditEvent("test", detail={"writer": str(index), "number": str(number)}))

    async def change(number: int) -> None:
        async with database.unit_of_work() as unit:
            await writers_at_once[0].record_in(unit, AuditEvent("change", target=str(number)))

    await asyncio.gather(*(audit.flush() for audit in writers_at_once), *map(change, range(50)))

    verified = await AuditService(database).verify()
    assert verified.rows == verified.head.seq == 4 * 600 + 50
    for index in range(4):
        of_one = [
            event.detail["number"] for event in await events(database) if event.detail.get("writer") == str(index)
        ]
        assert of_one == [str(number) for number in range(600)]


async def test_an_event_of_a_change_is_written_with_it_or_not_at_all(audit: AuditWriter, database: Database) -> None:
    async with database.unit_of_work() as unit:
        await audit.record_in(unit, AuditEvent("kept"))
    with suppress(ZeroDivisionError):
        async with database.unit_of_work() as unit:
            await audit.record_in(unit, AuditEvent("rolled back"))
            raise ZeroDivisionError

    assert await events(database) == [AuditEvent("kept")]


async def test_events_are_kept_while_postgresql_is_away(
    audit: AuditWriter, database: Database, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with audit.running():
        audit.record(AuditEvent("before"))
        await asyncio.sleep(0.6)
        await server.cut()
        for number in range(3):
            audit.record(AuditEvent(f"during {number}"))
            await asyncio.sleep(0.3)
        server.away = False
        audit.record(AuditEvent("after"))
        await asyncio.sleep(1)

        assert [event.action for event in await events(database)] == [
            "before",
            "during 0",
            "during 1",
            "during 2",
            "after",
        ]
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "audit events wait for PostgreSQL",
        "audit events are written again",
    ]


async def test_what_does_not_fit_while_postgresql_is_away_is_dropped_and_the_log_says_how_much(
    audit: AuditWriter, database: Database, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "MAX_KEPT", 10)
    before = dropped()
    await server.cut()
    for number in range(13):
        audit.record(AuditEvent(str(number)))
    server.away = False
    await audit.flush()

    assert await events(database) == [
        *(AuditEvent(str(number)) for number in range(3, 13)),
        AuditEvent("audit.drop", "failed", detail={"events": "3"}),
    ]
    assert dropped() - before == 3


def dropped() -> float:
    return REGISTRY.get_sample_value("gateway_audit_dropped_total") or 0


async def test_a_batch_whose_commit_was_not_confirmed_is_written_once(
    audit: AuditWriter, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit.record(AuditEvent("once"))
    commit = asyncpg.transaction.Transaction.commit

    async def commit_unnoticed(transaction: asyncpg.transaction.Transaction) -> None:
        await commit(transaction)
        raise ConnectionResetError

    monkeypatch.setattr(asyncpg.transaction.Transaction, "commit", commit_unnoticed)
    await audit.flush()
    monkeypatch.undo()
    audit.record(AuditEvent("next"))
    await audit.flush()

    assert await events(database) == [AuditEvent("once"), AuditEvent("next")]


async def test_events_are_written_before_the_process_ends(audit: AuditWriter, database: Database) -> None:
    async with audit.running():
        for number in range(600):
            audit.record(AuditEvent(str(number)))
        audit.record_repeated(AuditEvent("repeated"))
        audit.record_repeated(AuditEvent("repeated"))

    assert await events(database) == [
        *(AuditEvent(str(number)) for number in range(600)),
        AuditEvent("repeated"),
        AuditEvent("repeated", detail={"repeated": "1"}),
    ]


async def test_events_that_cannot_be_written_before_the_process_ends_are_logged(
    audit: AuditWriter, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with audit.running():
        await server.cut()
        audit.record(AuditEvent("lost"))

    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "1 audit events are lost: PostgreSQL did not take them before the end of the process"
    ]


async def test_repeated_events_are_counted_for_a_minute(
    audit: AuditWriter, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "WINDOW_SECONDS", 0.2)
    for _ in range(500):
        audit.record_repeated(AuditEvent.by(PRINCIPAL, "access.refused", "refused", detail={"problem": "x"}))
    await audit.flush()
    event = AuditEvent.by(PRINCIPAL, "access.refused", "refused", detail={"problem": "x"})
    assert await events(database) == [event]

    await asyncio.sleep(0.25)
    await audit.flush()
    assert await events(database) == [event, replace(event, detail={"problem": "x", "repeated": "499"})]


async def test_repeated_events_of_very_many_addresses_fill_neither_log_nor_memory(
    audit: AuditWriter, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "WINDOW_SECONDS", 0.0)
    for number in range(MAX_COUNTED + 1000):
        audit.record_repeated(AuditEvent("session.refused", "refused", address=f"2001:db8::{number:x}"))
    audit.record_repeated(AuditEvent.by(PRINCIPAL, "access.refused", "refused"))
    await audit.flush()

    assert (await events(database))[MAX_COUNTED:] == [
        AuditEvent("session.refused", "refused", detail={"of": "others"}),
        AuditEvent.by(PRINCIPAL, "access.refused", "refused"),
        AuditEvent("session.refused", "refused", detail={"of": "others", "repeated": "999"}),
    ]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_events SET action = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"],
)
async def test_rows_can_be_neither_changed_nor_removed(audit: AuditWriter, database: Database, statement: str) -> None:
    audit.record(AuditEvent("kept"))
    await audit.flush()

    async with database.read() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError) as refused:
            await connection.execute(statement)
    assert str(refused.value) == f"audit_events is append-only: {statement.split(maxsplit=1)[0]} is refused"
    assert await events(database) == [AuditEvent("kept")]
