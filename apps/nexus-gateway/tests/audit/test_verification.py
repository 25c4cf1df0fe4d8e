"""Rows are changed here as the owner of the table could: without its trigger."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from nexus_chassis.connection_pool import ConnectionPool
from nexus_chassis.migrations import apply_migrations
from nexus_chassis.unit_of_work import Database
from nexus_gateway.audit.errors import BrokenChainError
from nexus_gateway.audit.models import AuditEvent, Head
from nexus_gateway.audit.service import AuditService
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.opening import MIGRATIONS

ROWS = 2500  # more than are read at once


@pytest_asyncio.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """A log of ROWS rows whose trigger is off."""
    connection = await asyncpg.connect(postgres_url)
    await apply_migrations(connection, MIGRATIONS)
    await connection.execute("ALTER TABLE audit_events DISABLE TRIGGER audit_events_are_append_only")
    await connection.close()
    database = Database(ConnectionPool(lambda: asyncpg.connect(postgres_url), 2))
    audit = AuditWriter(database)
    for number in range(ROWS):
        audit.record(AuditEvent("test", "success", "u1", ("mcp-server",), detail={"number": str(number)}))
    await audit.flush()
    yield database
    await database.close()


async def change(database: Database, statement: str) -> None:
    async with database.read() as connection:
        await connection.execute(statement)


async def fault(database: Database, after: Head | int = 0) -> tuple[int, str]:
    with pytest.raises(BrokenChainError) as broken:
        await AuditService(database).verify(after)
    return broken.value.seq, str(broken.value)


async def test_an_empty_log_is_whole(database: Database) -> None:
    await change(database, "TRUNCATE audit_events")

    assert await AuditService(database).verify() == (0, (0, bytes(32)))


async def test_an_untouched_log_is_whole(database: Database) -> None:
    (rows, head) = await AuditService(database).verify()

    assert (rows, head.seq) == (ROWS, ROWS)
    assert await AuditService(database).verify(2400) == (100, head)
    assert await AuditService(database).verify(head) == (0, head)


@pytest.mark.parametrize(
    "assignment",
    [
        "at = at + interval '1 microsecond'",
        "action = 'other'",
        "outcome = 'failed'",
        "tenant = 'other'",
        "subject = NULL",
        "actors = '{}'",
        "client_id = ''",
        "session = 'other'",
        "target = 'other'",
        "address = 'other'",
        'detail = detail || \'{"more": "1"}\'',
        "hash = sha256('other')",
    ],
)
async def test_a_changed_row_is_found(database: Database, assignment: str) -> None:
    await change(database, f"UPDATE audit_events SET {assignment} WHERE seq = 2001")  # noqa: S608  written above

    assert await fault(database) == (2001, "Row 2001 of the audit log does not follow from the row before it")


async def test_a_removed_row_is_found(database: Database) -> None:
    await change(database, "DELETE FROM audit_events WHERE seq = 1500")

    assert await fault(database) == (1500, "Row 1500 of the audit log is missing")


async def test_a_removed_row_is_found_also_when_the_others_close_the_gap(database: Database) -> None:
    await change(
        database, "DELETE FROM audit_events WHERE seq = 2499; UPDATE audit_events SET seq = 2499 WHERE seq = 2500"
    )

    assert await fault(database) == (2499, "Row 2499 of the audit log does not follow from the row before it")


async def test_rows_that_changed_places_are_found(database: Database) -> None:
    await change(
        database,
        "UPDATE audit_events SET seq = 9999 WHERE seq = 7; UPDATE audit_events SET seq = 7 WHERE seq = 8;"
        "UPDATE audit_events SET seq = 8 WHERE seq = 9999",
    )

    assert await fault(database) == (7, "Row 7 of the audit log does not follow from the row before it")


async def test_a_row_that_somebody_added_is_found(database: Database) -> None:
    await change(
        database,
        "INSERT INTO audit_events (seq, at, action, outcome, actors, detail, hash) "
        "VALUES (2501, now(), 'forged', 'success', '{}', '{}', sha256('forged'))",
    )

    assert await fault(database) == (2501, "Row 2501 of the audit log does not follow from the row before it")


async def test_rows_removed_from_the_end_are_found_from_a_head_that_was_noted(database: Database) -> None:
    _, noted = await AuditService(database).verify()
    await change(database, "DELETE FROM audit_events WHERE seq > 2490")

    assert await fault(database, noted) == (2500, "Row 2500 of the audit log is missing")


async def test_a_log_that_was_written_anew_is_found_from_a_head_that_was_noted(database: Database) -> None:
    _, noted = await AuditService(database).verify()
    await change(database, "TRUNCATE audit_events")
    audit = AuditWriter(database)
    for _ in range(ROWS):
        audit.record(AuditEvent("harmless"))
    await audit.flush()

    assert await fault(database, noted) == (2500, "Row 2500 of the audit log has another hash than the one given")


async def test_rows_before_the_given_one_are_not_read(database: Database) -> None:
    await change(database, "DELETE FROM audit_events WHERE seq < 1000")

    assert (await AuditService(database).verify(1000)).rows == 1500
