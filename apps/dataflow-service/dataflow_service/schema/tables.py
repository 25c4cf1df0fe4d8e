"""Tables, columns and indexes, as the models declare them or as the database has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

SERVICE_TABLES = frozenset(
    {"change_positions", "change_sets", "changes", "idempotency_keys", "model_migrations", "schema_migrations"}
)
"""Tables of the service itself, which its SQL files make."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `type` is spelled as PostgreSQL's format_type does; `default` is an SQL expression."""

    name: str
    type: str
    nullable: bool
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """An index over columns. Those that the database has also have their `definition`, an SQL statement.

    `columns` is empty where an index has more than columns (an expression, a condition): no model declares such a one.
    """

    name: str
    columns: tuple[str, ...]
    unique: bool
    definition: str = field(default="", compare=False)
    constraint: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `rows` is PostgreSQL's estimate, None where there is none; `size` is in bytes, with indexes."""

    name: str
    columns: Mapping[str, Column]
    indexes: Mapping[str, Index]
    rows: int | None = field(default=None, compare=False)
    size: int = field(default=0, compare=False)


type Schema = Mapping[str, Table]
"""Tables by name."""


@dataclass(frozen=True, slots=True)
class Declared:
    """The names that models declare: the columns of each table, and indexes. Names only, for the ledger."""

    tables: Mapping[str, tuple[str, ...]]
    indexes: tuple[str, ...]


def declared(schema: Schema) -> Declared:
    """Return the names in a schema."""
    return Declared(
        tables={name: tuple(schema[name].columns) for name in sorted(schema)},
        indexes=tuple(sorted(index for table in schema.values() for index in table.indexes)),
    )
