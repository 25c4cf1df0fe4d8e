"""Rows that refer to rows of models with soft delete. A foreign key holds for a marked row, too: what it misses is checked here.

Who marks a row locks it FOR UPDATE, and waits for those who refer to it in open transactions; these lock it FOR KEY SHARE, as
foreign keys do, and find it marked if they come later.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg

from dataflow_service.records import repository
from dataflow_service.records.errors import NoRelatedRowError
from dataflow_service.records.parsing import Values
from dataflow_service.registry.model import Model


async def require_related(connection: asyncpg.Connection, model: Model, rows: Sequence[Values]) -> None:
    """Raise NoRelatedRowError where rows, which are written, refer to one that is deleted."""
    for relation in model.soft_delete_relations:
        ids: set[Any] = {row.get(relation.field.name) for row in rows} - {None}
        if ids and ids - set(await repository.lock_present(connection, relation.target, list(ids))):
            raise NoRelatedRowError(model.path, relation.field.name, relation.target.path, restorable=True)
