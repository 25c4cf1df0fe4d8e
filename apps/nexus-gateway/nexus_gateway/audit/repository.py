"""The audit log in PostgreSQL."""

import json
from collections.abc import AsyncIterator, Iterable

import asyncpg

from nexus_gateway.audit.models import START, AuditEntry, AuditEvent, Filter, Head

_FETCHED = 1000  # rows at a time while the log is streamed
_COLUMNS = (
    "seq",
    "at",
    "action",
    "outcome",
    "tenant",
    "subject",
    "actors",
    "client_id",
    "session",
    "target",
    "address",
    "detail",
    "hash",
)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM audit_events"  # noqa: S608  names written above


class AuditRepository:
    """The table `audit_events`."""

    async def lock_head(self, connection: asyncpg.Connection) -> Head:
        """The last row; nobody else adds one until the transaction ends."""
        # Two statements: the second must see what was committed while the first waited.
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('audit ' || current_schema()))")
        row = await connection.fetchrow("SELECT seq, hash FROM audit_events ORDER BY seq DESC LIMIT 1")
        return Head(*row) if row else START

    async def has_row(self, connection: asyncpg.Connection, row_hash: bytes) -> bool:
        """Whether there is a row with this hash."""
        return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM audit_events WHERE hash = $1)", row_hash))

    async def add(self, connection: asyncpg.Connection, entries: Iterable[AuditEntry]) -> None:
        """Add rows, which follow the head that was locked."""
        await connection.copy_records_to_table(
            "audit_events", records=[_record(entry) for entry in entries], columns=_COLUMNS
        )

    async def row(self, connection: asyncpg.Connection, seq: int) -> AuditEntry | None:
        """The row of this number."""
        row = await connection.fetchrow(f"{_SELECT} WHERE seq = $1", seq)
        return _entry(row) if row else None

    async def page(self, connection: asyncpg.Connection, wanted: Filter, after: int, limit: int) -> list[AuditEntry]:
        """Up to `limit` rows after number `after`, in their order."""
        conditions, values = ["seq > $1"], [after, limit]
        for column in ("tenant", "action", "subject", "outcome"):
            if (value := getattr(wanted, column)) is not None:
                values.append(value)
                conditions.append(f"{column} = ${len(values)}")
        rows = await connection.fetch(f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY seq LIMIT $2", *values)
        return [_entry(row) for row in rows]

    async def stream(self, connection: asyncpg.Connection, after: int) -> AsyncIterator[AuditEntry]:
        """All rows after number `after`, in their order; needs a transaction."""
        async for row in connection.cursor(f"{_SELECT} WHERE seq > $1 ORDER BY seq", after, prefetch=_FETCHED):
            yield _entry(row)


def _record(entry: AuditEntry) -> tuple[object, ...]:
    event = entry.event
    return (
        entry.seq,
        entry.at,
        event.action,
        event.outcome,
        event.tenant,
        event.subject,
        event.actors,
        event.client_id,
        event.session,
        event.target,
        event.address,
        json.dumps(event.detail),
        entry.hash,
    )


def _entry(row: asyncpg.Record) -> AuditEntry:
    event = AuditEvent(
        row["action"],
        row["outcome"],
        row["subject"],
        tuple(row["actors"]),
        row["client_id"],
        row["tenant"],
        row["session"],
        row["target"],
        row["address"],
        json.loads(row["detail"]),
    )
    return AuditEntry(row["seq"], row["at"], event, row["hash"])
