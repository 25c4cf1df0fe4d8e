"""Which operation an address asks for, and what it makes of the rows that are sent."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dataflow_service.bulk.operations import Create, Delete, Operation, Update, Upsert
from dataflow_service.bulk.readers import Batch
from dataflow_service.records.errors import MAX_FAULTS, Fault, InvalidQueryError, InvalidRowError
from dataflow_service.records.parsing import BODY, unique_fields
from dataflow_service.registry.model import Model

_ROWS_OF_A_TURN = 25

_OPERATIONS: Mapping[str, type[Operation[Any]]] = {"create": Create, "update": Update, "delete": Delete}


def operation_of_address(model: Model, name: str, on: str | None) -> Operation[Any]:
    """Return the operation with a name; `on` has the fields of a unique index, with commas.

    Raises:
        InvalidQueryError: `on` is missing, has other fields, or does not belong to the operation.
    """
    if name == "upsert":
        return Upsert(model, unique_fields(model, on))
    if on is not None:
        raise InvalidQueryError([Fault(("query", "on"), "belongs to operation=upsert; leave it out")])
    return _OPERATIONS[name](model)


async def rows_of[T](operation: Operation[T], batch: Batch) -> list[T]:
    """Return the rows of a batch as they are written; other tasks have their turn meanwhile.

    Raises:
        InvalidRowError: Rows are not valid; each fault is named with its place and line.
    """
    rows: list[T] = []
    faults: list[Fault] = []
    for number, item in enumerate(batch.items):
        if number % _ROWS_OF_A_TURN == 0:
            await asyncio.sleep(0)
        place = (*BODY, batch.first + number)
        try:
            rows.append(operation.parse(batch.decode(item, place), place))
        except InvalidRowError as error:
            faults += [replace(fault, line=batch.lines[number]) for fault in error.faults]
            if len(faults) >= MAX_FAULTS:
                break
    if faults:
        raise InvalidRowError(faults[:MAX_FAULTS])
    return rows
