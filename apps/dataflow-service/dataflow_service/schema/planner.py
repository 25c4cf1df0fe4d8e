"""From what the database has to what the models declare: the steps between, in an order that is safe while rows are used.

What is added comes first, and what may fail on rows comes outside the transaction of what may not. What neither the
models nor an earlier plan knows is left alone, whatever it is.
"""

from collections.abc import Iterator
from dataclasses import replace

from dataflow_service.registry.declarations import DELETED_AT
from dataflow_service.registry.model import TENANT
from dataflow_service.schema import sql
from dataflow_service.schema.steps import Step, Steps
from dataflow_service.schema.tables import TENANT_COLUMN, Check, Column, Declared, ForeignKey, Schema, Table

type _Pairs = list[tuple[Table, Table]]
"""Tables as they are, and as the models declare them."""

_NUMBERS = frozenset({"smallint", "integer", "bigint", "numeric"})
_LOSSLESS: dict[str, frozenset[str]] = {
    "bigint": frozenset({"smallint", "integer"}),
    "numeric": _NUMBERS,
    "double precision": frozenset({"smallint", "integer", "real"}),
    "text": _NUMBERS | {"character varying", "uuid", "boolean", "date"},
}
"""To which types, from which, each value is converted without loss."""

_SAME_BYTES = frozenset({("character varying", "text"), ("numeric", "numeric")})


def steps_between(actual: Schema, desired: Schema, known: Declared) -> Steps:
    """Return the steps from `actual` to `desired`; `known` is what the last plan that was applied declared."""
    found = [(actual[name], desired[name]) for name in sorted(desired.keys() & actual.keys())]
    pairs = [(_recomputed(now, then), then) for now, then in found]
    return (
        *(sql.drop_foreign_key(table, key) for table, key in _old_foreign_keys(actual, desired, known)),
        *(step for now, then in found for step in _recomputations(now, then)),
        *_old_marks(pairs, known),
        *_new_tables(actual, desired),
        *_new_columns(actual, desired),
        *_defaults(pairs),
        *(
            sql.drop_not_null(to.name, now.name)
            for _, to, now, then in _changed(pairs)
            if then.nullable and not now.nullable
        ),
        *_old_checks(pairs, known, retyped=True),
        *(_type_change(to, now, then) for _, to, now, then in _changed(pairs) if now.type != then.type),
        *(
            step
            for _, to, now, then in _changed(pairs)
            if now.nullable and not then.nullable
            for step in _requirement(to, then)
        ),
        *_new_checks(pairs, known),
        *_old_checks(pairs, known, retyped=False),
        *_old_indexes(pairs, known),
        *_new_indexes(pairs),
        *_tenants(pairs),
        *_new_foreign_keys(pairs),
        *_old_columns(pairs, known),
        *(sql.drop_table(name) for name in sorted(actual.keys() & known.tables.keys() - desired.keys())),
    )


def new_columns(actual: Schema, desired: Schema) -> Iterator[tuple[Table, Column]]:
    """Yield the columns that tables lack which the database has."""
    for name in sorted(desired.keys() & actual.keys()):
        for column in desired[name].columns.values():
            if column.name not in actual[name].columns:
                yield desired[name], column


def _new_columns(actual: Schema, desired: Schema) -> Iterator[Step]:
    for table, column in new_columns(actual, desired):
        if column == TENANT_COLUMN:
            yield from sql.add_tenant(table.name, column)
        elif column.name == DELETED_AT and table.soft_delete:
            yield sql.add_mark(table.name, column)
        else:
            yield sql.add_column(table.name, column)


def _recomputations(now: Table, then: Table) -> Iterator[Step]:
    """What stands on a column that is replaced is dropped before, and made again behind it."""
    replaced = _replaced(now, then)
    after = _recomputed(now, then)
    yield from (
        sql.drop_index(now.name, now.indexes[name]) for name in sorted(now.indexes.keys() - after.indexes.keys())
    )
    yield from (sql.drop_check(now.name, now.checks[name]) for name in sorted(now.checks.keys() - after.checks.keys()))
    for name in replaced:
        yield sql.recompute(now.name, now.columns[name], then.columns[name])
    for name in _written_again(now, then):
        yield sql.keep_values(now.name, now.columns[name])


def _recomputed(now: Table, then: Table) -> Table:
    """Return a table as it is behind `_recomputations`."""
    replaced, written = _replaced(now, then), _written_again(now, then)
    if not replaced and not written:
        return now
    columns = {name: then.columns[name] for name in replaced}
    columns |= {name: replace(now.columns[name], computed=None) for name in written}
    indexes = {name: index for name, index in now.indexes.items() if not set(replaced) & set(index.columns)}
    checks = {name: check for name, check in now.checks.items() if check.column not in replaced}
    return replace(now, columns={**now.columns, **columns}, indexes=indexes, checks=checks)


def _replaced(now: Table, then: Table) -> list[str]:
    """Return the columns that are computed in another way than they are now, or of another type."""
    return [
        name
        for name, column in then.columns.items()
        if column.computed is not None
        and (found := now.columns.get(name)) is not None
        and (found.computed, found.type) != (column.computed, column.type)
    ]


def _written_again(now: Table, then: Table) -> list[str]:
    """Return the columns that are computed now, and are not any longer."""
    return [
        name
        for name, column in then.columns.items()
        if column.computed is None and name in now.columns and now.columns[name].computed is not None
    ]


def _old_marks(pairs: _Pairs, known: Declared) -> Iterator[Step]:
    for now, then in pairs:
        if _loses_marks(now, then, known):
            yield sql.unmark(now.name) if DELETED_AT in then.columns else sql.drop_mark(now.name)


def _loses_marks(now: Table, then: Table, known: Declared) -> bool:
    return now.name in known.soft_delete and not then.soft_delete and DELETED_AT in now.columns


def _tenants(pairs: _Pairs) -> Iterator[Step]:
    """The rows of tenants are kept apart once each has one, and mixed before the column goes."""
    for now, then in pairs:
        if now.multi_tenant and not then.multi_tenant:
            yield from sql.mix(now.name)
        if (TENANT in now.key) != (TENANT in then.key):
            yield from sql.set_key(now, then.key)
        if then.multi_tenant and not now.multi_tenant:
            yield from sql.keep_apart(then.name)


def _new_tables(actual: Schema, desired: Schema) -> Iterator[Step]:
    for name in sorted(desired.keys() - actual.keys()):
        table = desired[name]
        yield sql.create_table(table)
        for index in sorted(table.indexes):
            yield sql.create_index(name, table.indexes[index], concurrently=False)
        if table.multi_tenant:
            yield from sql.keep_apart(name)
    for name in sorted(desired.keys() - actual.keys()):
        for _, key in sorted(desired[name].foreign_keys.items()):
            yield sql.add_foreign_key(name, key, new=True)


def _changed(pairs: _Pairs) -> Iterator[tuple[Table, Table, Column, Column]]:
    for now, then in pairs:
        for column in then.columns.values():
            if column.name in now.columns and now.columns[column.name] != column:
                yield now, then, now.columns[column.name], column


def _defaults(pairs: _Pairs) -> Iterator[Step]:
    for _, table, now, then in _changed(pairs):
        if now.default != then.default and now.type == then.type and then.name != "id":
            yield sql.set_default(table.name, then, now.default)


def _type_change(table: Table, now: Column, then: Column) -> Step:
    old = now.type.partition("(")[0]
    lossless = old in _LOSSLESS.get(then.type, ())
    return sql.change_type(table.name, then, now, lossless=lossless, rewrites=(old, then.type) not in _SAME_BYTES)


def _requirement(table: Table, column: Column) -> Iterator[Step]:
    """The rows are filled before the check, which would refuse changes of rows with nulls, and once more behind it."""
    fill = [] if column.default is None else [sql.backfill(table.name, column)]
    yield from fill
    yield sql.require_value(table.name, column.name)
    yield from fill
    yield sql.validate(table.name, column.name)
    yield from sql.set_not_null(table.name, column.name)


def _new_checks(pairs: _Pairs, known: Declared) -> Iterator[Step]:
    """The check that one replaces stays until the rows have been read, so that some check is always in force."""
    for now, then in pairs:
        former = {check.column: check for check in _dropped_checks(now, then, known, retyped=False)}
        for name, check in sorted(then.checks.items()):
            if name not in now.checks:
                yield sql.add_check(then.name, check)
            if now.checks.get(name) != check:
                yield sql.validate_check(then.name, check, former.get(check.column))


def _old_checks(pairs: _Pairs, known: Declared, *, retyped: bool) -> Iterator[Step]:
    for now, then in pairs:
        for check in _dropped_checks(now, then, known, retyped=retyped):
            yield sql.drop_check(now.name, check)


def _dropped_checks(now: Table, then: Table, known: Declared, *, retyped: bool) -> Iterator[Check]:
    """Yield the checks that models no longer declare: of columns that change their type, or of the others."""
    for name in known.checks.get(now.name, ()):
        check = now.checks.get(name)
        if check is not None and name not in then.checks and retyped == _changes_type(now, then, check.column):
            yield check


def _changes_type(now: Table, then: Table, column: str) -> bool:
    return column in then.columns and now.columns[column].type != then.columns[column].type


def _old_indexes(pairs: _Pairs, known: Declared) -> Iterator[Step]:
    for now, then in pairs:
        for name in sorted(now.indexes):
            changed = name in then.indexes and now.indexes[name] != then.indexes[name]
            if changed or (name not in then.indexes and name in known.indexes):
                yield sql.drop_index(now.name, now.indexes[name])


def _new_indexes(pairs: _Pairs) -> Iterator[Step]:
    for now, then in pairs:
        for name in sorted(then.indexes):
            if now.indexes.get(name) != then.indexes[name]:
                yield sql.create_index(then.name, then.indexes[name], concurrently=True)


def _new_foreign_keys(pairs: _Pairs) -> Iterator[Step]:
    for now, then in pairs:
        for name, key in sorted(then.foreign_keys.items()):
            found = now.foreign_keys.get(name)
            if found is None or _differs(found, key):
                yield sql.add_foreign_key(then.name, key, new=False)
            if found != key:
                yield sql.validate_foreign_key(then.name, key)


def _old_foreign_keys(actual: Schema, desired: Schema, known: Declared) -> Iterator[tuple[str, ForeignKey]]:
    """Yield the foreign keys that have changed, those that no model declares any longer, and those of tables that are dropped."""
    for table in (actual[name] for name in sorted(actual)):
        wanted = desired[table.name].foreign_keys if table.name in desired else {}
        for name, key in sorted(table.foreign_keys.items()):
            dropped = name not in wanted and name in known.foreign_keys.get(table.name, ())
            if dropped or (name in wanted and _differs(key, wanted[name])):
                yield table.name, key


def _differs(now: ForeignKey, then: ForeignKey) -> bool:
    """Whether two foreign keys differ, apart from whether they were validated."""
    return replace(now, valid=then.valid) != then


def _old_columns(pairs: _Pairs, known: Declared) -> Iterator[Step]:
    for now, then in pairs:
        for name in now.columns:
            if name in then.columns or name not in known.tables.get(now.name, ()):
                continue
            if now.columns[name].computed is not None:
                yield sql.drop_computed(now.name, now.columns[name])
            elif not (name == DELETED_AT and _loses_marks(now, then, known)):
                yield sql.drop_column(now.name, name)


def unknown_tables(actual: Schema, desired: Schema, known: Declared) -> list[str]:
    """Return the tables that neither the models nor the last plan declares."""
    return sorted(actual.keys() - desired.keys() - known.tables.keys())


def unknown_columns(actual: Schema, desired: Schema, known: Declared) -> list[str]:
    """Return the columns `table.column` that neither the models nor the last plan declares, of tables that one does."""
    return [
        f"{name}.{column}"
        for name in sorted(actual.keys() & (desired.keys() | known.tables.keys()))
        for column in actual[name].columns
        if column not in known.tables.get(name, ()) and (name not in desired or column not in desired[name].columns)
    ]
