"""What happens to the rows that refer to deleted ones, as their relations say. It is logged as any other change.

The foreign keys themselves only refuse: what the database does by itself would be in no log. They are checked at the end,
so that rows that refer to each other can be deleted.
"""

from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from dataflow_service.records import repository
from dataflow_service.records.author import Author
from dataflow_service.records.errors import ReferencedError, TooManyRelatedError
from dataflow_service.records.query import Comparison
from dataflow_service.registry.model import Model, Relation

MAX_RELATED_ROWS = 10_000
"""Rows that are deleted or changed together with those that they refer to. It ends cascades, as each step changes a row."""


@asynccontextmanager
async def settled(connection: asyncpg.Connection, model: Model) -> AsyncIterator[None]:
    """Context manager of deletions and what follows them; raises asyncpg.ForeignKeyViolationError at its end."""
    if not model.referrers:
        yield
        return
    await connection.execute("SET CONSTRAINTS ALL DEFERRED")
    yield
    await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")


async def follow(connection: asyncpg.Connection, author: Author, model: Model, ids: Sequence[Any]) -> None:
    """Delete or change the rows that refer to deleted ones, and so on.

    Raises:
        TooManyRelatedError: They are more than `MAX_RELATED_ROWS`.
        ReferencedError: Others refer to rows that are marked as deleted; of those that are gone, the foreign keys say so.
    """
    deleted, left = deque([(model, ids)]), MAX_RELATED_ROWS
    restrictions: list[tuple[Relation, Sequence[Any]]] = []
    while deleted:
        target, gone = deleted.popleft()
        for relation in target.referrers if gone else ():
            if target.soft_delete and relation.on_delete == "restrict":
                restrictions.append((relation, gone))
            found = await _apply(connection, author, relation, gone, limit=left + 1)
            left -= len(found)
            if left < 0:
                raise TooManyRelatedError(MAX_RELATED_ROWS)
            if relation.on_delete == "cascade":
                deleted.append((relation.model, found))
    for relation, gone in restrictions:
        if await repository.refers(connection, relation, gone):
            raise ReferencedError(model.path, relation.model.path, relation.field.name)


async def _apply(
    connection: asyncpg.Connection, author: Author, relation: Relation, gone: Sequence[Any], *, limit: int
) -> list[Any]:
    referring = Comparison(relation.field, "$in", list(gone))
    match relation.on_delete:
        case "cascade":
            return await repository.delete_where(connection, author, relation.model, referring, limit=limit)
        case "set null":
            if relation.model.soft_delete and not relation.target.soft_delete:
                await repository.empty_deleted(connection, relation, gone)
            empty = {relation.field.name: None}
            return await repository.change_where(connection, author, relation.model, referring, empty, limit=limit)
    return []


def leading_to(model: Model) -> Iterator[Relation]:
    """Yield the relations to a model, and those to the models whose rows are deleted with its own."""
    seen, waiting = {model}, [model]
    for target in waiting:
        for relation in target.referrers:
            yield relation
            if relation.on_delete == "cascade" and relation.model not in seen:
                seen.add(relation.model)
                waiting.append(relation.model)
