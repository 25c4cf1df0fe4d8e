"""What is checked before steps run."""

from collections import defaultdict
from collections.abc import Iterable

import asyncpg

from dataflow_service.schema import planner, repository
from dataflow_service.schema.errors import DestructiveStepsError, RowsLackValueError
from dataflow_service.schema.steps import Step
from dataflow_service.schema.tables import Schema


def refuse_losses(steps: Iterable[Step], *, destructive: bool) -> None:
    """Raise DestructiveStepsError where steps lose data and that was not allowed."""
    if not destructive and (losses := [step for step in steps if step.destructive]):
        raise DestructiveStepsError(losses)


async def refuse_unfillable(connection: asyncpg.Connection, before: Schema, after: Schema) -> None:
    """Raise RowsLackValueError where rows would lack the value of a new column."""
    columns = defaultdict(list)
    for table, column in planner.new_columns(before, after):
        if not column.nullable and column.default is None and column.computed is None:
            columns[table.name].append(column.name)
    for name, lacking in columns.items():
        if await repository.has_rows(connection, name):
            raise RowsLackValueError(name, lacking)
