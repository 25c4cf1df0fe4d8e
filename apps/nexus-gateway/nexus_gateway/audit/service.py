"""Reading and verifying the audit log."""

from typing import NamedTuple

import asyncpg

from nexus_chassis.unit_of_work import Database
from nexus_gateway.audit.errors import BrokenChainError
from nexus_gateway.audit.models import START, AuditEntry, Filter, Head, entry_hash
from nexus_gateway.audit.repository import AuditRepository


class Verified(NamedTuple):
    """An unbroken chain: how many rows were read, and the last of them."""

    rows: int
    head: Head


class AuditService:
    """The audit log. Raises DatabaseUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = AuditRepository()

    async def page(self, wanted: Filter, after: int, limit: int) -> tuple[list[AuditEntry], int | None]:
        """Up to `limit` rows after number `after`, and the `after` of the page that follows, None at the end."""
        async with self._database.read() as connection:
            found = await self._rows.page(connection, wanted, after, limit + 1)
        return found[:limit], found[limit - 1].seq if len(found) > limit else None

    async def verify(self, after: Head | int = 0) -> Verified:
        """Read all rows after `after`, and compute their hashes anew; raises BrokenChainError for the first wrong one.

        A number alone takes that row as it is; a Head that was noted earlier also shows that it, and with it all rows
        up to it, are what they were: rows removed from the end of the log are noticed only this way.
        """
        async with self._database.unit_of_work() as unit:
            rows, head = 0, await self._begin(unit.connection, after)
            async for entry in self._rows.stream(unit.connection, head.seq):
                head = _follow(head, entry)
                rows += 1
        return Verified(rows, head)

    async def _begin(self, connection: asyncpg.Connection, after: Head | int) -> Head:
        seq = after if isinstance(after, int) else after.seq
        if seq == START.seq:
            return START
        if (entry := await self._rows.row(connection, seq)) is None:
            raise BrokenChainError(seq, "is missing")
        if isinstance(after, Head) and entry.hash != after.hash:
            raise BrokenChainError(seq, "has another hash than the one given")
        return entry.head


def _follow(head: Head, entry: AuditEntry) -> Head:
    expected = head.seq + 1
    if entry.seq != expected:
        raise BrokenChainError(expected, "is missing")
    if entry.hash != entry_hash(head.hash, entry.seq, entry.at, entry.event):
        raise BrokenChainError(expected, "does not follow from the row before it")
    return entry.head
