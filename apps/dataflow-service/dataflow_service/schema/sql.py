"""The steps of plans, each with its SQL, its lock and the way back. Names come from the registry and the catalogue only."""

from dataclasses import replace

from dataflow_service.registry.declarations import DELETED_AT
from dataflow_service.registry.model import TENANT
from dataflow_service.registry.quoting import quote, quote_text
from dataflow_service.schema.steps import DROP_MARK, VALIDATE_FOREIGN_KEY, VALIDATE_TEXTS, Step, Transaction, Work
from dataflow_service.schema.tables import (
    MAX_NAME_BYTES,
    Check,
    Column,
    ForeignKey,
    Index,
    Schema,
    Table,
    constraint_name,
)
from nexus_chassis.channels import DEFAULT_TENANT

POLICY = "tenant"
"""The policy that shows each row to its tenant alone."""

_EXCLUSIVE = "ACCESS EXCLUSIVE"
_NO_MARKS = constraint_name(DELETED_AT, "never")


def create_table(table: Table) -> Step:
    """Make a table, without its indexes."""
    columns = [_id(column) if column.name == "id" else _column(column) for column in table.columns.values()]
    key = f"PRIMARY KEY ({', '.join(map(quote, table.key))})"
    checks = [f"CONSTRAINT {quote(check.name)} {check.definition}" for check in table.checks.values()]
    return Step(
        action="create table",
        table=table.name,
        statement=f"CREATE TABLE {quote(table.name)} ({', '.join([*columns, key, *checks])})",
        lock="none",
        undo=drop_table(table.name),
    )


def drop_table(name: str) -> Step:
    """Drop a table with its rows."""
    return Step(
        action="drop table", table=name, statement=f"DROP TABLE {quote(name)}", lock=_EXCLUSIVE, destructive=True
    )


def _id(column: Column) -> str:
    if column.type == "bigint":
        return f"{quote(column.name)} bigint GENERATED ALWAYS AS IDENTITY"
    return _column(column)


def _column(column: Column) -> str:
    computed = "" if column.computed is None else f" GENERATED ALWAYS AS ({column.computed}) STORED"
    return f"{quote(column.name)} {column.type}{computed}{'' if column.nullable else ' NOT NULL'}{_default(column)}"


def _default(column: Column) -> str:
    return "" if column.default is None else f" DEFAULT {column.default}"


def add_column(table: str, column: Column) -> Step:
    """Add a column. A default that does not differ between rows is stored once, and no row is written (PostgreSQL 11).

    What is computed is written into each row, while nobody else can use the table.
    """
    statement = f"{_alter(table)} ADD COLUMN {_column(column)}"
    if column.computed is None:
        step = _altering("add column", table, statement, undo=drop_column(table, column.name))
        return replace(step, columns=(column.name,))
    drop = replace(drop_column(table, column.name), destructive=False)
    return _computing("add column", table, column, statement, undo=drop)


def drop_computed(table: str, column: Column) -> Step:
    """Drop a column whose values can be computed again."""
    back = replace(add_column(table, column), undo=None)
    return replace(drop_column(table, column.name), destructive=False, undo=back)


def recompute(table: str, now: Column, then: Column) -> Step:
    """Put a computed column in the place of another one, in one statement. What was not computed is lost."""
    step = _recomputing(table, then)
    lost = now.computed is None
    return replace(step, destructive=lost, undo=None if lost else _recomputing(table, now))


def _recomputing(table: str, column: Column) -> Step:
    statement = f"{_alter(table)} DROP COLUMN {quote(column.name)}, ADD COLUMN {_column(column)}"
    return _computing("replace column", table, column, statement)


def _computing(action: str, table: str, column: Column, statement: str, *, undo: Step | None = None) -> Step:
    step = _altering(action, table, statement, undo=undo, rewrites=True)
    return replace(step, columns=(column.name,), transaction=Transaction.OWN)


def keep_values(table: str, now: Column) -> Step:
    """Let callers write a column from now on that was computed so far; its values stay."""
    statement = f"{_alter(table)} ALTER COLUMN {quote(now.name)} DROP EXPRESSION"
    back = replace(_recomputing(table, now), destructive=True)
    return _altering("drop expression", table, statement, undo=back)


def add_mark(table: str, column: Column) -> Step:
    """Add the column that marks deleted rows; as long as there are such, it cannot be dropped again."""
    return replace(add_column(table, column), undo=drop_mark(table))


def drop_mark(table: str) -> Step:
    """Drop the column that marks deleted rows, unless there are any: they would be there again."""
    return replace(_without_marks(table, f"DROP COLUMN {quote(DELETED_AT)}"), destructive=True)


def unmark(table: str) -> Step:
    """Let the column that marks deleted rows be one of the model, unless there are any: they would be there again."""
    return _without_marks(table, f"DROP CONSTRAINT {quote(_NO_MARKS)}")


def _without_marks(table: str, change: str) -> Step:
    """PostgreSQL checks a constraint for the rows of all tenants."""
    check = f"ADD CONSTRAINT {quote(_NO_MARKS)} CHECK ({quote(DELETED_AT)} IS NULL)"
    step = _altering(DROP_MARK, table, f"{_alter(table)} {check}; {_alter(table)} {change}")
    return replace(step, columns=(DELETED_AT,), transaction=Transaction.OWN, work=Work.SCAN)


def probe(name: str, table: Table) -> str:
    """Return the statement that makes a table with the columns of another one but those that are computed."""
    columns = [column for column in table.columns.values() if column.computed is None]
    return f"CREATE TABLE {quote(name)} ({', '.join(f'{quote(one.name)} {one.type}' for one in columns)})"


def add_tenant(table: str, column: Column) -> list[Step]:
    """Add the column of the tenant: the rows that are there belong to the default tenant."""
    literal = quote_text(DEFAULT_TENANT)
    return [
        add_column(table, replace(column, default=f"{literal}::text")),
        set_default(table, column, f"{literal}::text"),
    ]


def set_key(table: Table, columns: tuple[str, ...]) -> list[Step]:
    """Give a table another primary key: an index is made while others write, and put in place of the key."""
    index = Index(constraint_name(table.name, "next_key"), columns, unique=True)
    name = quote(table.key_name)
    change = f"{_alter(table.name)} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} PRIMARY KEY"
    back = _altering("set primary key", table.name, f"{change} ({', '.join(map(quote, table.key))})", rewrites=True)
    swap = _altering("set primary key", table.name, f"{change} USING INDEX {quote(index.name)}", undo=back)
    return [create_index(table.name, index, concurrently=True), replace(swap, columns=columns)]


def keep_apart(table: str) -> list[Step]:
    """Show each row to its tenant alone, to the owner of the table as well."""
    condition = f"{quote(TENANT)} = (SELECT nullif(current_setting('app.tenant', true), ''))"
    policy = f"CREATE POLICY {POLICY} ON {quote(table)} USING ({condition}) WITH CHECK ({condition})"
    drop = _altering("drop policy", table, f"DROP POLICY {POLICY} ON {quote(table)}")
    change = f"{_alter(table)} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    return [
        _altering("create policy", table, policy, undo=drop),
        _altering("keep tenants apart", table, change, undo=_mixing(table)),
    ]


def mix(table: str) -> list[Step]:
    """Show all rows to all tenants."""
    apart = keep_apart(table)
    return [
        replace(_mixing(table), undo=replace(apart[1], undo=None)),
        _altering(
            "drop policy", table, f"DROP POLICY IF EXISTS {POLICY} ON {quote(table)}", undo=replace(apart[0], undo=None)
        ),
    ]


def _mixing(table: str) -> Step:
    change = f"{_alter(table)} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY"
    return replace(_altering("mix tenants", table, change), destructive=True)


def drop_column(table: str, name: str) -> Step:
    """Drop a column with its values."""
    statement = f"{_alter(table)} DROP COLUMN {quote(name)}"
    return replace(_altering("drop column", table, statement), destructive=True)


def set_default(table: str, column: Column, before: str | None) -> Step:
    """Give a column another default, or none."""
    statement, back = (_default_clause(table, column.name, default) for default in (column.default, before))
    return _altering("set default", table, statement, undo=_altering("set default", table, back))


def _default_clause(table: str, name: str, default: str | None) -> str:
    change = "DROP DEFAULT" if default is None else f"SET DEFAULT {default}"
    return f"{_alter(table)} ALTER COLUMN {quote(name)} {change}"


def drop_not_null(table: str, name: str) -> Step:
    """Let a column be null."""
    change = f"{_alter(table)} ALTER COLUMN {quote(name)}"
    back = replace(_altering("set not null", table, f"{change} SET NOT NULL"), work=Work.SCAN, columns=(name,))
    return _altering("drop not null", table, f"{change} DROP NOT NULL", undo=back)


def change_type(table: str, column: Column, before: Column, *, lossless: bool, rewrites: bool) -> Step:
    """Change the type of a column; PostgreSQL converts its values and rebuilds its indexes."""
    back = _type_step(table, column, before, rewrites=True)
    step = _type_step(table, before, column, rewrites=rewrites)
    return replace(step, destructive=not lossless, undo=replace(back, destructive=True))


def _type_step(table: str, old: Column, new: Column, *, rewrites: bool) -> Step:
    name = quote(new.name)
    changes = [
        *([f"ALTER COLUMN {name} DROP DEFAULT"] if old.default is not None else []),
        f"ALTER COLUMN {name} TYPE {new.type} USING {name}::{new.type}",
        *([f"ALTER COLUMN {name} SET DEFAULT {new.default}"] if new.default is not None else []),
    ]
    return replace(
        _altering("change type", table, f"{_alter(table)} {', '.join(changes)}", rewrites=rewrites),
        columns=(new.name,),
        transaction=Transaction.OWN,
    )


def backfill(table: str, column: Column) -> Step:
    """Set a column to its default where it is null: one statement for each range of pages, $1 to before $2."""
    name = quote(column.name)
    return Step(
        action="backfill",
        table=table,
        statement=f"UPDATE {quote(table)} SET {name} = {column.default} WHERE {name} IS NULL AND ctid >= $1 AND ctid < $2",  # noqa: S608 - names and defaults are of the models
        lock="ROW EXCLUSIVE",
        transaction=Transaction.NONE,
        work=Work.REWRITE,
    )


def require_value(table: str, name: str) -> Step:
    """Refuse nulls in new versions of rows; those that are there are not read."""
    constraint = quote(_not_null(name))
    statement = f"{_alter(table)} ADD CONSTRAINT {constraint} CHECK ({quote(name)} IS NOT NULL) NOT VALID"
    back = _altering("drop check", table, f"{_alter(table)} DROP CONSTRAINT IF EXISTS {constraint}")
    return _altering("add check", table, statement, undo=back)


def validate(table: str, name: str) -> Step:
    """Check the rows that are there, while others read and write them."""
    return _validating("validate check", table, name, _not_null(name))


def _validating(action: str, table: str, column: str, constraint: str) -> Step:
    return Step(
        action=action,
        table=table,
        columns=(column,),
        statement=f"{_alter(table)} VALIDATE CONSTRAINT {quote(constraint)}",
        lock="SHARE UPDATE EXCLUSIVE",
        transaction=Transaction.OWN,
        work=Work.SCAN,
    )


def set_not_null(table: str, name: str) -> list[Step]:
    """Refuse nulls without reading the rows: the validated check proves that there are none.

    The check is dropped by a statement of its own; in the same one it would go first, and the rows would be read.
    """
    change = f"{_alter(table)} ALTER COLUMN {quote(name)}"
    back = _altering("drop not null", table, f"{change} DROP NOT NULL")
    drop = f"{_alter(table)} DROP CONSTRAINT {quote(_not_null(name))}"
    return [
        _altering("set not null", table, f"{change} SET NOT NULL", undo=back),
        _altering("drop check", table, drop),
    ]


def add_check(table: str, check: Check) -> Step:
    """Refuse other texts in new versions of rows; those that are there are not read."""
    back = _altering("drop check", table, f"{_alter(table)} DROP CONSTRAINT {quote(check.name)}")
    return _altering("add check", table, _not_valid(table, check), undo=back)


def validate_check(table: str, check: Check, former: Check | None) -> Step:
    """Check the rows that are there, while others read and write them. `former` is the check that this one replaces."""
    step = _validating(VALIDATE_TEXTS, table, check.column, check.name)
    return step if former is None else replace(step, undo=validate_check(table, former, None))


def drop_check(table: str, check: Check) -> Step:
    """Drop a check. Its undo checks the rows that are written from then on."""
    back = _altering("add check", table, _not_valid(table, check))
    return _altering("drop check", table, f"{_alter(table)} DROP CONSTRAINT {quote(check.name)}", undo=back)


def _not_valid(table: str, check: Check) -> str:
    return f"{_alter(table)} ADD CONSTRAINT {quote(check.name)} {check.definition} NOT VALID"


def add_foreign_key(table: str, key: ForeignKey, *, new: bool) -> Step:
    """Refuse rows that refer to none: in a new table at once, in another in new versions of rows only."""
    statement = f"{_alter(table)} ADD CONSTRAINT {quote(key.name)} {_references(key)}{'' if new else ' NOT VALID'}"
    return replace(_foreign_key_step("add foreign key", table, key, statement), undo=_drop_foreign_key(table, key))


def _references(key: ForeignKey) -> str:
    columns, target_columns = (", ".join(map(quote, names)) for names in (key.columns, key.target_columns))
    return f"FOREIGN KEY ({columns}) REFERENCES {quote(key.target)} ({target_columns}) DEFERRABLE"


def validate_foreign_key(table: str, key: ForeignKey) -> Step:
    """Check the rows that are there, while others read and write them."""
    return replace(_validating(VALIDATE_FOREIGN_KEY, table, "", key.name), columns=key.columns)


def drop_foreign_key(table: str, key: ForeignKey) -> Step:
    """Drop a foreign key. Its undo checks the rows that are written from then on."""
    statement = f"{_alter(table)} ADD CONSTRAINT {quote(key.name)} {key.definition} NOT VALID"
    back = _foreign_key_step("add foreign key", table, key, statement)
    return replace(_drop_foreign_key(table, key), undo=back)


def _drop_foreign_key(table: str, key: ForeignKey) -> Step:
    return _altering("drop foreign key", table, f"{_alter(table)} DROP CONSTRAINT {quote(key.name)}")


def _foreign_key_step(action: str, table: str, key: ForeignKey, statement: str) -> Step:
    return Step(action=action, table=table, columns=key.columns, statement=statement, lock="SHARE ROW EXCLUSIVE")


def create_index(table: str, index: Index, *, concurrently: bool) -> Step:
    """Make an index: while others write the rows of a table that exists, at once in a new table."""
    indexed = f"USING {index.expression}" if index.expression else f"({', '.join(map(quote, index.columns))})"
    unique = "UNIQUE " if index.unique else ""
    mode = "CONCURRENTLY " if concurrently else ""
    statement = f"CREATE {unique}INDEX {mode}{quote(index.name)} ON {quote(table)} {indexed}"
    if index.present:
        statement += f" WHERE {quote(DELETED_AT)} IS NULL"
    step = _index_step("create index", table, index, statement, concurrently=concurrently)
    return replace(step, undo=_drop_plain_index(table, index, concurrently=concurrently))


def drop_index(table: str, index: Index) -> Step:
    """Drop an index, or the unique constraint that it belongs to. Its undo makes an index of the same columns."""
    if index.constraint:
        statement = f"{_alter(table)} DROP CONSTRAINT {quote(index.name)}"
        step = _altering("drop unique constraint", table, statement)
    else:
        step = _drop_plain_index(table, index, concurrently=True)
    definition = index.definition.replace("INDEX", "INDEX CONCURRENTLY", 1)
    return replace(step, undo=_index_step("create index", table, index, definition, concurrently=True))


def _drop_plain_index(table: str, index: Index, *, concurrently: bool) -> Step:
    mode = "CONCURRENTLY " if concurrently else ""
    statement = f"DROP INDEX {mode}IF EXISTS {quote(index.name)}"
    step = _index_step("drop index", table, index, statement, concurrently=concurrently)
    return replace(step, work=Work.CATALOGUE)


def _index_step(action: str, table: str, index: Index, statement: str, *, concurrently: bool) -> Step:
    return Step(
        action=action,
        table=table,
        index=index.name,
        columns=index.columns,
        statement=statement,
        lock="SHARE UPDATE EXCLUSIVE" if concurrently else "SHARE",
        transaction=Transaction.NONE if concurrently else Transaction.SHARED,
        work=Work.SCAN if concurrently else Work.CATALOGUE,
    )


def _altering(action: str, table: str, statement: str, *, undo: Step | None = None, rewrites: bool = False) -> Step:
    work = Work.REWRITE if rewrites else Work.CATALOGUE
    return Step(action=action, table=table, statement=statement, lock=_EXCLUSIVE, work=work, undo=undo)


def _alter(table: str) -> str:
    return f"ALTER TABLE {quote(table)}"


def _not_null(column: str) -> str:
    return constraint_name(column, "not_null")


def as_made(schema: Schema) -> Schema:
    """Return tables that models declare as they are once these steps have made them: what was made can be dropped and remade."""
    return {name: _as_made(table) for name, table in schema.items()}


def _as_made(table: Table) -> Table:
    indexes = {
        name: replace(index, definition=create_index(table.name, index, concurrently=False).statement)
        for name, index in table.indexes.items()
    }
    keys = {name: replace(key, definition=_references(key)) for name, key in table.foreign_keys.items()}
    end = b"_pkey"
    key_name = (table.name.encode()[: MAX_NAME_BYTES - len(end)] + end).decode(errors="ignore")
    return replace(table, indexes=indexes, foreign_keys=keys, key_name=key_name)
