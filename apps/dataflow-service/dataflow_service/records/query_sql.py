"""The SQL of queries: pages of rows, groups of rows and their number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dataflow_service.records.conditions import Parameters, beyond, column, condition
from dataflow_service.records.query import Aggregate, Filter, GroupQuery, OrderKey, Query, SearchText
from dataflow_service.records.search_sql import found
from dataflow_service.records.sql import AS_TEXT, TABLE, present
from dataflow_service.registry.model import Field, Model, Relation
from dataflow_service.registry.quoting import quote

_ROW_OVERHEAD = 128
"""About what the other columns of a row take in an answer."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement and its parameters."""

    text: str
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a result. JSON is text in it from the start, decimal numbers at the end: ordering is by number."""

    name: str
    sql_type: str
    expression: str


def select_page(model: Model, query: Query, *, limit: int, max_bytes: int) -> Statement:
    """Return the rows of a page, and the values of its order; see `_within` for limits."""
    parameters = Parameters()
    columns = _columns(query)
    source = _source(model, query, columns, parameters)
    return _within(
        f"{source}{_order(query.order, TABLE)}",
        columns,
        query.order,
        limit=limit,
        max_bytes=max_bytes,
        parameters=parameters,
    )


def select_every(model: Model, query: Query) -> Statement:
    """Return all rows of a query, and the values of its order."""
    parameters = Parameters()
    columns = _columns(query)
    source = _source(model, query, columns, parameters)
    names = ", ".join(map(_result, columns))
    return Statement(f"SELECT {names} FROM ({source}) AS measured{_order(query.order, 'measured')}", parameters.values)  # noqa: S608 - names are of the registry, values are parameters


def select_groups(model: Model, query: GroupQuery, *, limit: int, max_bytes: int) -> Statement:
    """Return the groups of a page, with a column for each aggregate; see `_within` for limits."""
    parameters = Parameters()
    keys = [key.field for key in query.order]
    columns = [
        *(_Column(field.name, field.sql_type, column(field)) for field in keys),
        *(_Column(aggregate.name, aggregate.sql_type, _call(aggregate)) for aggregate in query.aggregates),
    ]
    source = _source(model, query, columns, parameters)
    groups = f" GROUP BY {', '.join(map(column, keys))}" if keys else ""
    inner = f"{source}{groups}{_order(query.order, TABLE)}"
    return _within(inner, columns, query.order, limit=limit, max_bytes=max_bytes, parameters=parameters)


def count(model: Model, wanted: Filter, sought: SearchText | None = None) -> Statement:
    """Return the number of rows of a filter and a search."""
    parameters = Parameters()
    table, where = _rows(model, wanted, sought, parameters)
    return Statement(f"SELECT count(*) FROM {table} WHERE {where}", parameters.values)  # noqa: S608 - names are of the registry, values are parameters


def _columns(query: Query) -> list[_Column]:
    keys = [key.field for key in query.order]
    fields = [*query.fields, *(field for field in keys if field not in query.fields)]
    own = [_Column(field.name, field.sql_type, _expression(field)) for field in fields]
    return own + [item for relation in query.expand for item in _related_columns(relation)]


def related_columns(relation: Relation) -> dict[str, str]:
    """Return the columns of a related row by its fields: numbers, as PostgreSQL would cut off two names, and a space."""
    place = relation.model.relations.index(relation)
    return {field.name: f"{place} {number}" for number, field in enumerate(relation.target.fields)}


def _related_columns(relation: Relation) -> list[_Column]:
    names = related_columns(relation)
    return [
        _Column(names[field.name], field.sql_type, _expression(field, _related(relation)))
        for field in relation.target.fields
    ]


def _related(relation: Relation) -> str:
    """Return what a statement calls the table of related rows."""
    return quote(f"{relation.field.name} row")


def _joined(relations: Sequence[Relation]) -> str:
    return "".join(
        f" LEFT JOIN {quote(relation.target.table)} AS {_related(relation)} "
        f'ON {_related(relation)}."id" = {column(relation.field)}{present(relation.target, _related(relation))}'
        for relation in relations
    )


def _source(model: Model, query: Query | GroupQuery, columns: Sequence[_Column], parameters: Parameters) -> str:
    chosen = ", ".join(f"{item.expression} AS {quote(item.name)}" for item in columns)
    deleted = isinstance(query, Query) and query.deleted
    table, where = _rows(model, query.filter, query.search, parameters, deleted=deleted)
    if query.after:
        where = f"{where} AND {beyond(query.order, query.after, parameters)}"
    joined = _joined(query.expand) if isinstance(query, Query) else ""
    return f"SELECT {chosen} FROM {table}{joined} WHERE {where}"  # noqa: S608 - names are of the registry, values are parameters


def _rows(
    model: Model, wanted: Filter, sought: SearchText | None, parameters: Parameters, *, deleted: bool = False
) -> tuple[str, str]:
    """Return what rows are read from, and the condition that they meet: those of a search meet it already."""
    where = condition(wanted, parameters) + present(model, TABLE, deleted=deleted)
    if sought is None or model.search is None:
        return f"{quote(model.table)} AS {TABLE}", where
    return f"({found(model, model.search, sought, where, parameters)}) AS {TABLE}", "TRUE"


def _within(
    source: str,
    columns: Sequence[_Column],
    order: Sequence[OrderKey],
    *,
    limit: int,
    max_bytes: int,
    parameters: Parameters,
) -> Statement:
    """Return up to `limit` rows of `source`: in all cases the first, then while those before have less than `max_bytes`.

    Each has in the column "page rows" how many there would be without `max_bytes`.
    """
    names = ", ".join(_result(item) for item in columns)
    page = f"{source} LIMIT {parameters.add(limit, 'bigint')}"
    window = f"({_order(order, 'page')} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    before = f'sum({_size(columns)}) OVER {window} AS "bytes before"'
    measured = f'SELECT *, count(*) OVER () AS "page rows", {before} FROM ({page}) AS page'  # noqa: S608 - names are of the registry, values are parameters
    text = (
        f'SELECT {names}, "page rows" FROM ({measured}) AS measured '  # noqa: S608 - names are of the registry, values are parameters
        f'WHERE coalesce("bytes before", 0) < {parameters.add(max_bytes, "bigint")}{_order(order, "measured")}'
    )
    return Statement(text, parameters.values)


def _expression(field: Field, table: str = TABLE) -> str:
    read = f"{table}.{quote(field.name)}"
    return f"{read}::text" if field.sql_type == "jsonb" else read


def _call(aggregate: Aggregate) -> str:
    return f"{aggregate.function}({'*' if aggregate.field is None else column(aggregate.field)})"


def _order(order: Sequence[OrderKey], table: str) -> str:
    keys = ", ".join(f"{table}.{quote(key.field.name)}{' DESC' if key.descending else ''}" for key in order)
    return f" ORDER BY {keys}" if keys else ""


def _result(item: _Column) -> str:
    name, cast = f"measured.{quote(item.name)}", AS_TEXT.get(item.sql_type)
    return f"{name}{cast} AS {quote(item.name)}" if cast else name


def _is_sized(item: _Column) -> bool:
    return item.sql_type in {"text", "jsonb"} or item.sql_type.endswith("[]")


def _size(columns: Sequence[_Column]) -> str:
    sized = [f"coalesce(octet_length(page.{quote(item.name)}::text), 0)" for item in columns if _is_sized(item)]
    return " + ".join([str(_ROW_OVERHEAD), *sized])
