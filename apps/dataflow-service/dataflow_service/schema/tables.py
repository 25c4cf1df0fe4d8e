"""Tables, columns, indexes, checks and foreign keys, as the models declare them or as the database has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from dataflow_service.registry.model import TENANT

SERVICE_TABLES = frozenset(
    {
        "change_positions",
        "change_sets",
        "changes",
        "idempotency_keys",
        "import_parts",
        "model_migrations",
        "schema_migrations",
    }
)
"""Tables of the service itself, which its SQL files make."""

MAX_NAME_BYTES = 63
"""PostgreSQL cuts longer names off."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `type` is spelled as PostgreSQL's format_type does; `default` is an SQL expression.

    So is `computed`, from which PostgreSQL computes the stored value of each row.
    """

    name: str
    type: str
    nullable: bool
    default: str | None = None
    computed: str | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """An index over columns. Those that the database has also have their `definition`, an SQL statement.

    `present`: it has the rows that are not marked as deleted. `columns` is empty where an index has more than columns (an
    expression, another condition). Models declare such indexes by `expression`, what is behind USING, and their names differ where
    the expressions do: PostgreSQL spells these in its own way.
    """

    name: str
    columns: tuple[str, ...]
    unique: bool
    present: bool = False
    definition: str = field(default="", compare=False)
    constraint: bool = field(default=False, compare=False)
    expression: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Check:
    """A condition that PostgreSQL checks for each row; `valid` says whether it is true for all rows that are there.

    The names that models declare differ where the conditions do, so the `definition` is not compared: PostgreSQL spells
    it in its own way.
    """

    name: str
    column: str
    definition: str = field(compare=False)
    valid: bool = True


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """That the values of `columns` are those of `target_columns` of a row of the table `target`, or null.

    It is checked when a statement ends, or later where a transaction asks for that, and does nothing when that row is
    deleted. `columns` is empty where it has other rules: no model declares such a one. Those that the database has also
    have their `definition`.
    """

    name: str
    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]
    valid: bool = True
    definition: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `rows` is PostgreSQL's estimate, None where there is none; `size` is in bytes, with indexes.

    `multi_tenant`: PostgreSQL shows a row to its tenant alone. The primary key of a table that the database has is the
    constraint `key_name`; one that a model declares has its name in `model`. `soft_delete`: deleted rows are marked.
    `row_security` describes its row-level security, and `invalid_indexes` has the definitions of indexes that PostgreSQL does
    not use.
    """

    name: str
    columns: Mapping[str, Column]
    indexes: Mapping[str, Index]
    checks: Mapping[str, Check] = field(default_factory=dict)
    foreign_keys: Mapping[str, ForeignKey] = field(default_factory=dict)
    key: tuple[str, ...] = ("id",)
    multi_tenant: bool = False
    key_name: str = field(default="", compare=False)
    model: str = field(default="", compare=False)
    soft_delete: bool = field(default=False, compare=False)
    rows: int | None = field(default=None, compare=False)
    size: int = field(default=0, compare=False)
    row_security: str = field(default="", compare=False)
    invalid_indexes: Mapping[str, str] = field(default_factory=dict, compare=False)


TENANT_COLUMN = Column(
    TENANT, "text", nullable=False, default="NULLIF(current_setting('app.tenant'::text, true), ''::text)"
)
"""The tenant of a row: that of the connection which writes it. A connection without one can write none."""

type Schema = Mapping[str, Table]
"""Tables by name."""


@dataclass(frozen=True, slots=True)
class Declared:
    """The names that models declare: the columns and checks of each table, and indexes. Names only, for the ledger.

    `soft_delete` are the tables whose deleted rows are marked.
    """

    tables: Mapping[str, tuple[str, ...]]
    indexes: tuple[str, ...]
    checks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    foreign_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    soft_delete: tuple[str, ...] = ()


def declared(schema: Schema) -> Declared:
    """Return the names in a schema."""
    return Declared(
        tables={name: tuple(schema[name].columns) for name in sorted(schema)},
        indexes=tuple(sorted(index for table in schema.values() for index in table.indexes)),
        checks={name: tuple(sorted(schema[name].checks)) for name in sorted(schema) if schema[name].checks},
        foreign_keys={
            name: tuple(sorted(schema[name].foreign_keys)) for name in sorted(schema) if schema[name].foreign_keys
        },
        soft_delete=tuple(name for name in sorted(schema) if schema[name].soft_delete),
    )


def constraint_name(column: str, end: str) -> str:
    """Return the name of a constraint of a column, which PostgreSQL would cut off if it were longer."""
    name = f"{column}_{end}"
    return name if len(name.encode()) <= MAX_NAME_BYTES else f"{sha256(column.encode()).hexdigest()[:16]}_{end}"
