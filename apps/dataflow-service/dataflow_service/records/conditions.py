"""The SQL of filters and of places in an order. Columns are those of the model; values are always parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

from dataflow_service.records.query import AllOf, AnyOf, Comparison, Filter, Not, Operator, OrderKey
from dataflow_service.records.sql import TABLE
from dataflow_service.registry.model import Field
from dataflow_service.registry.quoting import quote

_COMPARISONS: Mapping[Operator, str] = {
    "$eq": "{column} = {value}",
    "$ne": "{column} IS DISTINCT FROM {value}",
    "$gt": "{column} > {value}",
    "$gte": "{column} >= {value}",
    "$lt": "{column} < {value}",
    "$lte": "{column} <= {value}",
    "$in": "{column} = ANY({value})",
    "$nin": "({column} = ANY({value})) IS NOT TRUE",
    "$like": "{column} LIKE {value}",
    "$ilike": "{column} ILIKE {value}",
}
_LISTS = frozenset({"$in", "$nin"})


class Parameters:
    """The values of one statement, in the order of their numbers."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def add(self, value: object, sql_type: str) -> str:
        """Return what stands for a value in the statement."""
        self.values.append(value)
        return f"${len(self.values)}::{sql_type}"


def column(field: Field) -> str:
    """Return the column of a field."""
    return f"{TABLE}.{quote(field.name)}"


def condition(wanted: Filter, parameters: Parameters) -> str:
    """Return the condition that is true for the rows of a filter; for others it is false or null."""
    match wanted:
        case Comparison():
            return _comparison(wanted, parameters)
        case Not():
            return f"({condition(wanted.filter, parameters)}) IS NOT TRUE"
        case AllOf():
            return _joined(wanted.filters, " AND ", "TRUE", parameters)
        case AnyOf():
            return _joined(wanted.filters, " OR ", "FALSE", parameters)


def beyond(order: Sequence[OrderKey], values: Sequence[Any], parameters: Parameters) -> str:
    """Return the condition that is true for the rows behind the one that has `values` for the keys of an order."""
    names = [
        None if value is None else parameters.add(value, key.field.sql_type)
        for key, value in zip(order, values, strict=True)
    ]
    if len({key.descending for key in order}) == 1 and not any(key.field.nullable for key in order):
        columns = ", ".join(column(key.field) for key in order)
        return f"({columns}) {_direction(order[0])} ({', '.join(map(str, names))})"
    return _bound(order[0], names[0]) + _beyond(order, names)


def _beyond(order: Sequence[OrderKey], names: Sequence[str | None]) -> str:
    further, same = _further(order[0], names[0]), _same(order[0], names[0])
    return further if len(order) == 1 else f"({further} OR ({same} AND {_beyond(order[1:], names[1:])}))"


def _bound(key: OrderKey, name: str | None) -> str:
    """Return a condition that all rows behind meet, and by which an index finds the first of them."""
    if name is None or (key.field.nullable and not key.descending):
        return ""
    return f"{column(key.field)} {_direction(key)}= {name} AND "


def _further(key: OrderKey, name: str | None) -> str:
    found = column(key.field)
    if name is None:
        return f"{found} IS NOT NULL" if key.descending else "FALSE"
    greater_null = f" OR {found} IS NULL" if key.field.nullable and not key.descending else ""
    return f"({found} {_direction(key)} {name}{greater_null})"


def _same(key: OrderKey, name: str | None) -> str:
    return f"{column(key.field)} IS NULL" if name is None else f"{column(key.field)} = {name}"


def _direction(key: OrderKey) -> str:
    return "<" if key.descending else ">"


def _joined(filters: Sequence[Filter], word: str, none: str, parameters: Parameters) -> str:
    return f"({word.join(condition(part, parameters) for part in filters)})" if filters else none


def _comparison(wanted: Comparison, parameters: Parameters) -> str:
    if wanted.operator == "$null":
        return _null(wanted, parameters)
    kind = wanted.field.sql_type + ("[]" if wanted.operator in _LISTS else "")
    found = _operand(wanted, parameters)
    return _COMPARISONS[wanted.operator].format(column=found, value=parameters.add(wanted.value, kind))


def _null(wanted: Comparison, parameters: Parameters) -> str:
    if wanted.path:  # a JSON null and no value at all are the same
        sign = "=" if wanted.value else "<>"
        return f"coalesce({_operand(wanted, parameters)}, 'null'::jsonb) {sign} 'null'::jsonb"
    return f"{column(wanted.field)} IS {'' if wanted.value else 'NOT '}NULL"


def _operand(wanted: Comparison, parameters: Parameters) -> str:
    found = column(wanted.field)
    return f"({found} #> {parameters.add(list(wanted.path), 'text[]')})" if wanted.path else found
