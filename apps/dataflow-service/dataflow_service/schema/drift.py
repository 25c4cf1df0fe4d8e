"""What was changed by hand: how tables differ from what the last plan declared."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dataflow_service.schema import sql
from dataflow_service.schema.tables import Check, Column, ForeignKey, Schema, Table

_KEPT_APART = "enabled and forced, policy tenant alone"
_DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Difference:
    """A part of a table that is not as declared. `declared` is None for what nobody declared, `found` for what is missing."""

    table: str
    part: str
    name: str
    declared: str | None
    found: str | None


def differences(actual: Schema, baseline: Schema) -> list[Difference]:
    """Return how the tables of `baseline` differ."""
    made = sql.as_made(baseline)
    return [difference for name in sorted(made) for difference in _of_table(actual.get(name), made[name])]


def text(difference: Difference) -> str:
    """Return a difference as a line."""
    found, declared = difference.found or "nothing", difference.declared or "nothing"
    return f"{difference.part} {difference.name} of {difference.table}: found {found}, declared {declared}"


def _of_table(now: Table | None, then: Table) -> Iterator[Difference]:
    if now is None:
        yield Difference(then.name, "table", then.name, "a table", None)
        return
    yield from _of_columns(now, then)
    if now.key != then.key:
        yield Difference(
            then.name, "primary key", then.key_name, _names(then.key), _names(now.key) if now.key else None
        )
    yield from _of_indexes(now, then)
    yield from _of_constraints(now, then)
    yield from _of_row_security(now, then)


def _of_columns(now: Table, then: Table) -> Iterator[Difference]:
    for name, column in then.columns.items():
        found = now.columns.get(name)
        if found is None or (replace(found, default=column.default) if name == "id" else found) != column:
            yield Difference(then.name, "column", name, _column(column), None if found is None else _column(found))


def _column(column: Column) -> str:
    default = "" if column.default is None else f" DEFAULT {column.default}"
    computed = "" if column.computed is None else f" GENERATED ALWAYS AS ({column.computed}) STORED"
    return f"{column.type}{'' if column.nullable else ' NOT NULL'}{default}{computed}"


def _of_indexes(now: Table, then: Table) -> Iterator[Difference]:
    for name, index in sorted(then.indexes.items()):
        found = now.indexes.get(name)
        if name not in now.invalid_indexes and found != index:
            yield Difference(then.name, "index", name, index.definition, None if found is None else found.definition)
    for name, definition in now.invalid_indexes.items():
        declared = then.indexes[name].definition if name in then.indexes else None
        yield Difference(then.name, "index", name, declared, f"INVALID {definition}")


def _of_constraints(now: Table, then: Table) -> Iterator[Difference]:
    for name, check in sorted(then.checks.items()):
        if (found := now.checks.get(name)) != check:
            yield Difference(then.name, "check", name, check.definition, _constraint(found))
    for name, key in sorted(then.foreign_keys.items()):
        if (other := now.foreign_keys.get(name)) != key:
            yield Difference(then.name, "foreign key", name, key.definition, _constraint(other))


def _constraint(found: Check | ForeignKey | None) -> str | None:
    return None if found is None else f"{found.definition}{'' if found.valid else ' NOT VALID'}"


def _of_row_security(now: Table, then: Table) -> Iterator[Difference]:
    """A policy on a table that all tenants share hides rows, though a plan has no step for it."""
    shared = now.row_security.startswith(_DISABLED)
    if then.multi_tenant and not now.multi_tenant:
        yield Difference(then.name, "row-level security", then.name, _KEPT_APART, now.row_security)
    elif not then.multi_tenant and not shared:
        yield Difference(then.name, "row-level security", then.name, _DISABLED, now.row_security)


def _names(names: tuple[str, ...]) -> str:
    return f"({', '.join(names)})"
