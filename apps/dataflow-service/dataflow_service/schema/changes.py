"""What differs between two schemas, part by part: it can be written down, put together and compared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from pydantic import TypeAdapter

from dataflow_service.schema.tables import Check, Column, ForeignKey, Index, Schema, Table

TABLE = "table"
"""The part of a change that makes or drops a table, or changes what holds for all of it."""

_PARTS: Mapping[str, TypeAdapter[Any]] = {
    "columns": TypeAdapter(Column),
    "indexes": TypeAdapter(Index),
    "checks": TypeAdapter(Check),
    "foreign_keys": TypeAdapter(ForeignKey),
}
_TABLE = TypeAdapter(Table)
_RULES = {field.name for field in fields(Table) if field.compare} - {"name", *_PARTS}


@dataclass(frozen=True, slots=True)
class Change:
    """A part of a table (`columns`, `indexes`, `checks`, `foreign_keys` or `table`) as it is then; None: it is dropped."""

    table: str
    part: str
    name: str
    value: Mapping[str, Any] | None

    @property
    def place(self) -> tuple[str, str, str]:
        """What is changed: table, part and name."""
        return self.table, self.part, self.name


type Changes = tuple[Change, ...]

_CHANGES: TypeAdapter[Changes] = TypeAdapter(Changes)


def changes_between(before: Schema, after: Schema) -> Changes:
    """Return what is different in `after`."""
    names = sorted(before.keys() | after.keys())
    return tuple(change for name in names for change in _of_table(name, before.get(name), after.get(name)))


def _of_table(name: str, before: Table | None, after: Table | None) -> Iterator[Change]:
    if after is None:
        yield Change(name, TABLE, "", None)
        return
    if before is None or _rules(before) != _rules(after):
        yield Change(name, TABLE, "", _rules(after))
    for part, kind in _PARTS.items():
        old: Mapping[str, Any] = {} if before is None else getattr(before, part)
        new: Mapping[str, Any] = getattr(after, part)
        for key in [*new, *sorted(old.keys() - new.keys())]:
            if old.get(key) != new.get(key):
                yield Change(name, part, key, kind.dump_python(new[key], mode="json") if key in new else None)


def _rules(table: Table) -> Mapping[str, Any]:
    rules: Mapping[str, Any] = _TABLE.dump_python(table, mode="json", include=_RULES)
    return rules


def check(change: Change) -> None:
    """Raise ValueError for a change whose value cannot be one of its part."""
    if change.part not in {TABLE, *_PARTS}:
        raise ValueError(f"{change.part!r} is no part of a table")
    if change.value is not None:
        changed({change.table: Table(change.table, {}, {})}, [change])


def changed(schema: Schema, changes: Sequence[Change]) -> Schema:
    """Return a schema with changes.

    Raises:
        ValueError: A change is of a table that is not there.
    """
    found = dict(schema)
    for change in changes:
        if change.part == TABLE and change.value is None:
            found.pop(change.table, None)
        elif change.part == TABLE:
            found[change.table] = _with_rules(change, found.get(change.table))
        elif change.table in found:
            found[change.table] = _with_part(change, found[change.table])
        else:
            raise ValueError(f"it changes {describe(*change.place)}, and no file makes that table")
    return found


def _with_rules(change: Change, table: Table | None) -> Table:
    empty = {"name": change.table, "columns": {}, "indexes": {}}
    made = _TABLE.validate_python({**empty, **(change.value or {})})
    parts: dict[str, Any] = {} if table is None else {part: getattr(table, part) for part in _PARTS}
    return replace(made, **parts)


def _with_part(change: Change, table: Table) -> Table:
    members = dict(getattr(table, change.part))
    if change.value is None:
        members.pop(change.name, None)
    else:
        members[change.name] = _PARTS[change.part].validate_python(change.value)
    part: dict[str, Any] = {change.part: members}
    return replace(table, **part)


def dump_schema(schema: Schema) -> str:
    """Return the JSON text of a schema."""
    return _CHANGES.dump_json(changes_between({}, schema)).decode()


def load_schema(text: str) -> Schema:
    """Return the schema that `dump_schema` wrote."""
    return changed({}, _CHANGES.validate_json(text))


def conflicts(one: Sequence[Change], other: Sequence[Change]) -> list[str]:
    """Return what one of two lists of changes changes and the other changes or stands on, in words."""
    written, also_written = ({change.place for change in changes} for changes in (one, other))
    found = (written & (also_written | _stands_on(other))) | (also_written & _stands_on(one))
    return [describe(*place) for place in sorted(found)]


def _stands_on(changes: Sequence[Change]) -> set[tuple[str, str, str]]:
    """Return the tables and columns that changes need as they are."""
    found = {(change.table, TABLE, "") for change in changes}
    for change in changes:
        value = change.value or {}
        found |= {(change.table, "columns", name) for name in [*value.get("columns", ()), value.get("column")] if name}
        if "target" in value:
            found |= {(value["target"], "columns", name) for name in value["target_columns"]}
            found.add((value["target"], TABLE, ""))
    return found


_WORDS = {"columns": "column", "indexes": "index", "checks": "check", "foreign_keys": "foreign key"}


def describe(table: str, part: str, name: str) -> str:
    """Return the words for a part of a table."""
    return f"the table {table}" if part == TABLE else f"the {_WORDS[part]} {name} of {table}"
