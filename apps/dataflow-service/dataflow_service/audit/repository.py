"""The log of changes in PostgreSQL, with who made them. It is written by the statements that change rows."""

from dataclasses import dataclass
from typing import Any

import asyncpg

from dataflow_service.audit.query import AuditQuery
from dataflow_service.changes.position import Position
from dataflow_service.changes.repository import TENANT_OF_SET, Change

NEWEST = Position(2**64 - 1, 2**63 - 1)
"""Behind every change."""

_CONDITIONS = {
    "model": "change_sets.model = {}",
    "row": "changes.row_id = {}",
    "subject": "change_sets.author ->> 'subject' = {}",
    "since": "change_sets.at >= {}",
    "until": "change_sets.at < {}",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A change, and its author as JSON text."""

    change: Change
    author: str


async def read_page(connection: asyncpg.Connection, query: AuditQuery, *, max_bytes: int) -> tuple[list[Entry], bool]:
    """Return a page, the newest change first, and whether there are more. A page with `max_bytes` or more ends there.

    As in the feed, nothing appears behind a position that was read already.
    """
    after = query.after or NEWEST
    arguments: list[Any] = [str(after.xid), after.id, query.limit, max_bytes, query.tenant]
    conditions = []
    for name, condition in _CONDITIONS.items():
        if (value := getattr(query, name)) is not None:
            arguments.append(value)
            conditions.append(f" AND {condition.format(f'${len(arguments)}')}")
    rows = await connection.fetch(_PAGE % "".join(conditions), *arguments)
    return [_entry(row) for row in rows], bool(rows) and rows[0]["found"] > len(rows)


_PAGE = f"""
SELECT xid::text, id, at, model, operation, changed, row_id, row::text, author::text, found
  FROM (SELECT *,
               count(*) OVER () AS found,
               row_number() OVER (ORDER BY xid DESC, id DESC) AS place,
               sum(coalesce(octet_length(row::text), 0) + octet_length(author::text)) OVER
                   (ORDER BY xid DESC, id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
          FROM (SELECT changes.xid, changes.id, row_id, row, at, model, operation, changed, author
                  FROM changes JOIN change_sets ON change_sets.id = set_id
                 WHERE (changes.xid, changes.id) < ($1::text::xid8, $2::bigint)
                   AND changes.xid < pg_snapshot_xmin(pg_current_snapshot())
                   AND {TENANT_OF_SET} = $5%s
                 ORDER BY changes.xid DESC, changes.id DESC LIMIT $3::bigint + 1) AS page) AS measured
 WHERE place <= $3 AND coalesce(bytes_before, 0) < $4
 ORDER BY place
"""  # noqa: S608 - text of this file


def _entry(row: Any) -> Entry:  # noqa: ANN401 - asyncpg's record
    position = Position(int(row["xid"]), row["id"])
    about = (row[name] for name in ("at", "model", "operation", "changed", "row_id", "row"))
    return Entry(Change(position, *about), row["author"])
