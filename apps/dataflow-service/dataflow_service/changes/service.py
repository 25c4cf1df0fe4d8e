"""The feed of committed changes."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from dataflow_service.changes import repository
from dataflow_service.changes.encoding import feed_json
from dataflow_service.changes.errors import ChangesDeletedError
from dataflow_service.changes.position import START, Position
from dataflow_service.changes.repository import Audience, Change
from dataflow_service.records.author import tenant_of
from dataflow_service.records.encoding import row_json
from dataflow_service.records.repository import reading
from dataflow_service.records.service import MAX_PAGE_BYTES
from dataflow_service.registry.model import Model, Registry
from nexus_chassis.principal import Principal
from nexus_chassis.unit_of_work import Database

_LOOKS = 100  # as many changes of others are passed over in one request: 1,000,000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChangeFeed:
    """The changes of all models, in the order of their transactions. A page may take PostgreSQL `read_seconds`."""

    database: Database
    registry: Registry
    read_seconds: float

    async def page(self, principal: Principal, after: Position | None, limit: int, *, texts: bool) -> bytes:
        """Return the page of changes after a position, or of the oldest that are kept, as JSON.

        With `texts`, 64 bit integers are strings.

        Raises:
            ChangesDeletedError: Changes after the position are no longer kept.
        """
        models = self.registry.by_path
        tenant = tenant_of(principal)
        audience = Audience(tenant, [path for path, model in models.items() if not model.multi_tenant])
        async with self.database.read(tenant=tenant) as connection, reading(connection, self.read_seconds):
            changes, skipped = await _find(connection, audience, after, limit)
            oldest = await repository.read_position(connection, "deleted")
            rows = await read_rows(connection, changes, models, texts=texts)
        if after is not None and after < oldest:
            raise ChangesDeletedError(after, oldest)
        following = changes[-1].position if changes else skipped or oldest
        return feed_json(changes, rows, models, following, texts=texts)

    async def latest(self) -> bytes:
        """Return an empty page, whose `next` is after all changes so far, as JSON."""
        async with self.database.read() as connection:
            return feed_json([], {}, {}, await repository.read_latest(connection))


async def _find(
    connection: asyncpg.Connection, audience: Audience, after: Position | None, limit: int
) -> tuple[list[Change], Position | None]:
    """Return the next changes of an audience, and the position before them; none where those of others are too many."""
    for _ in range(_LOOKS):
        place = after or START
        changes = await repository.read_page(connection, audience, place, limit=limit, max_bytes=MAX_PAGE_BYTES)
        skipped = None if changes else await repository.read_last_looked_at(connection, place)
        if skipped is None:
            return changes, after
        after = skipped
    return [], after


async def read_rows(
    connection: asyncpg.Connection, changes: Sequence[Change], models: Mapping[str, Model], *, texts: bool
) -> dict[Position, bytes]:
    """Return the rows of changes as JSON, within a transaction; a change without a row has none."""
    by_model: dict[str, dict[Position, str]] = defaultdict(dict)
    for change in changes:
        if change.document is not None:
            by_model[change.model][change.position] = change.document
    rows: dict[Position, bytes] = {}
    for path, documents in by_model.items():
        encoded = await _encode(connection, models.get(path), list(documents.values()), texts=texts)
        rows |= zip(documents, encoded, strict=True)
    return rows


async def _encode(
    connection: asyncpg.Connection, model: Model | None, documents: Sequence[str], *, texts: bool
) -> list[bytes]:
    """Return rows as their model encodes them; as they were kept where the model is gone or has other types now."""
    if model is None:
        return [document.encode() for document in documents]
    await connection.execute("SAVEPOINT rows")
    try:
        rows = await repository.read_rows(connection, model, documents)
        return [row_json(model, row, texts=texts) for row in rows]
    except (asyncpg.DataError, asyncpg.UndefinedTableError) as error:
        await connection.execute("ROLLBACK TO SAVEPOINT rows")
        _log.warning("changes of %s are sent as they were kept: %s", model.name, error)
        return [document.encode() for document in documents]
