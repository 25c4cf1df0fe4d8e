"""Which operation an address asks for, and what it makes of the rows that are sent."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dataflow_service.bulk.operations import Create, Delete, Operation, Update, Upsert
from dataflow_service.bulk.readers import Batch, array
from dataflow_service.records.errors import MAX_FAULTS, Fault, InvalidQueryError, InvalidRowError
from dataflow_service.records.parsing import BODY
from dataflow_service.registry.model import Model

_ROWS_OF_A_TURN = 25

_OPERATIONS: Mapping[str, type[Operation[Any]]] = {"create": Create, "update": Update, "delete": Delete}


def operation_of_address(model: Model, name: str, on: str | None) -> Operation[Any]:
    """Return the operation with a name; `on` has the fields of a unique index, with commas.

    Raises:
        InvalidQueryError: `on` is missing, has other fields, or does not belong to the operation.
    """
    if name == "upsert":
        return Upsert(model, _unique_fields(model, on))
    if on is not None:
        raise InvalidQueryError([Fault(("query", "on"), "belongs to operation=upsert; leave it out")])
    return _OPERATIONS[name](model)


def _unique_fields(model: Model, on: str | None) -> list[str]:
    known: list[list[str]] = [list(index["fields"]) for index in model.indexes if index.get("unique")]
    names = sorted([] if on is None else on.split(","))
    found = next((fields for fields in known if sorted(fields) == names), None)
    if found is None:
        listed = " or ".join(",".join(fields) for fields in known) or "none"
        text = f"should have the fields of a unique index of {model.name}: {listed}"
        raise InvalidQueryError([Fault(("query", "on"), text)])
    return found


def rows_of_array[T](operation: Operation[T], document: object) -> tuple[Batch, list[T]]:
    """Return the batch of a JSON array and its rows as they are written.

    The batch is without items: as they were sent, rows take the most memory. Raises InvalidRowError, TooManyRowsError.
    """
    batch = array(document)
    parsed = _Parsed(operation, batch)
    for number in range(len(batch.items)):
        parsed.add(number)
    return replace(batch, items=()), parsed.result()


async def rows_of_stream[T](operation: Operation[T], batch: Batch) -> list[T]:
    """Return the rows of a batch as they are written; other tasks have their turn meanwhile.

    Raises:
        InvalidRowError: Rows are not valid; each fault is named with its place and line.
    """
    parsed = _Parsed(operation, batch)
    for number in range(len(batch.items)):
        if number % _ROWS_OF_A_TURN == 0:
            await asyncio.sleep(0)
        parsed.add(number)
    return parsed.result()


class _Parsed[T]:
    """Rows of a batch, until there are enough faults."""

    def __init__(self, operation: Operation[T], batch: Batch) -> None:
        self._operation = operation
        self._batch = batch
        self._rows: list[T] = []
        self._faults: list[Fault] = []

    def add(self, number: int) -> None:
        """Parse the row with a number in the batch."""
        if len(self._faults) >= MAX_FAULTS:
            return
        place = (*BODY, self._batch.first + number)
        try:
            document = self._batch.decode(self._batch.items[number], place)
            self._rows.append(self._operation.parse(document, place))
        except InvalidRowError as error:
            self._faults += [on_line(fault, self._batch, number) for fault in error.faults]

    def result(self) -> list[T]:
        """Return the rows; raises InvalidRowError where one is not valid."""
        if self._faults:
            raise InvalidRowError(self._faults[:MAX_FAULTS])
        return self._rows


def on_line(fault: Fault, batch: Batch, number: int) -> Fault:
    """Return a fault of the row with a number in its batch, with the line of the row if it has one."""
    return fault if batch.lines is None else replace(fault, line=batch.lines[number])
