"""Conditions of nodes: fields that have a value, and ids. What else a filter can say is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataflow_service.records import parsing
from dataflow_service.records.errors import MAX_FAULTS, Fault, InvalidRowError
from dataflow_service.records.parsing import Place
from dataflow_service.records.sql import TABLE, quote
from dataflow_service.registry.model import Model


@dataclass(frozen=True, slots=True)
class Equal:
    """The field has one of the values; with None it is null."""

    field: str
    sql_type: str
    values: Sequence[Any] | None


type Wanted = Sequence[Equal]
"""What rows have: all of these. With none of these, every row is wanted."""


def wanted(model: Model, document: object, place: Place) -> Wanted:
    """Return what a filter such as {"sku": "B-840"} or {"id": {"$in": [1, 2]}} selects.

    Raises:
        InvalidRowError: It is no object, names what is no field, or has anything but values and ids.
    """
    if not isinstance(document, dict):
        raise InvalidRowError([Fault(place, "should be an object with values of fields")])
    ids = [Equal("id", _sql_type(model, "id"), _ids(model, document["id"], (*place, "id")))] if "id" in document else []
    others = {name: value for name, value in document.items() if name != "id"}
    return [*ids, *_values(model, others, place)]


def where(condition: Wanted, first: int = 1) -> str:
    """Return the SQL of a condition, whose parameters are numbered from `first`."""
    parts: list[str] = []
    for equal in condition:
        column = f"{TABLE}.{quote(equal.field)}"
        if equal.values is None:
            parts.append(f"{column} IS NULL")
        else:
            parts.append(f"{column} = ANY(${first}::{equal.sql_type}[])")
            first += 1
    return " AND ".join(parts) or "TRUE"


def arguments(condition: Wanted) -> list[Any]:
    """Return the parameters of a condition."""
    return [list(equal.values) for equal in condition if equal.values is not None]


def _values(model: Model, document: Mapping[str, Any], place: Place) -> list[Equal]:
    if faults := [
        Fault((*place, name), "should be a value to be equal to; other conditions are not known here")
        for name, value in document.items()
        if name.startswith("$") or (isinstance(value, dict) and any(key.startswith("$") for key in value))
    ]:
        raise InvalidRowError(faults[:MAX_FAULTS])
    values = parsing.change(model, document, place) if document else {}
    return [Equal(name, _sql_type(model, name), None if value is None else [value]) for name, value in values.items()]


def _ids(model: Model, value: object, place: Place) -> list[Any]:
    if not isinstance(value, dict):
        return [parsing.sent_id(model, value, place)]
    ids = value.get("$in")
    if list(value) != ["$in"] or not isinstance(ids, list):
        raise InvalidRowError([Fault(place, 'should be an id, or {"$in": [ids]}')])
    return [parsing.sent_id(model, item, (*place, "$in", number)) for number, item in enumerate(ids)]


def _sql_type(model: Model, name: str) -> str:
    return next(field.sql_type for field in model.fields if field.name == name)
