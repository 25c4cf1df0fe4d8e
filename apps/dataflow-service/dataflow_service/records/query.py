"""What can be asked of the rows of a model. Values in it are checked, and fields are those of the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dataflow_service.registry.model import Field, Model, Relation

type Operator = Literal["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$like", "$ilike", "$null"]
type Function = Literal["count", "sum", "min", "max", "avg"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of a field, or of the value at `path` in a JSON field.

    It is true or false for each row: where the field is null, all are false but `$ne`, `$nin` and `$null` true.
    `value` is never None: a comparison with null is `$null`.
    """

    field: Field
    operator: Operator
    value: Any
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AllOf:
    """True where all of the filters are; with none, everywhere."""

    filters: "tuple[Filter, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True where one of the filters is; with none, nowhere."""

    filters: "tuple[Filter, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """True where the filter is false."""

    filter: "Filter"


type Filter = Comparison | AllOf | AnyOf | Not

EVERY_ROW = AllOf(())


@dataclass(frozen=True, slots=True)
class SearchText:
    """What was typed to search rows. Full-text search reads `text`; `words` are in a row as parts, or nearly.

    There are no words where the text has signs of full-text search: quotes, `or`, or words to leave out.
    """

    text: str
    words: tuple[str, ...]


RELEVANCE = Field("search relevance", "double precision", required=False, nullable=False)
"""How well a row matches what was typed; it is no name that a field can have."""


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One column of an order. A null is greater than every value: the last of an ascending order."""

    field: Field
    descending: bool = False

    def __str__(self) -> str:
        return f"-{self.field.name}" if self.descending else self.field.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A page of rows: up to `limit` rows behind the one whose values of the `order` are `after`.

    `order` ends with the id, so that no two rows have the same place in it. Rows come with the rows of `expand`. With `deleted`,
    they are the deleted rows of a model with soft delete.
    """

    fields: Sequence[Field]
    order: Sequence[OrderKey]
    limit: int
    filter: Filter = EVERY_ROW
    search: SearchText | None = None
    after: Sequence[Any] | None = None
    expand: Sequence[Relation] = ()
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A function of the rows of a group; `count` alone has no field."""

    function: Function
    field: Field | None = None

    @property
    def name(self) -> str:
        """The column of its value; it is no name that a field can have."""
        return f"{self.function} {self.argument}"

    @property
    def argument(self) -> str:
        """The name of the field, or * for all of the row."""
        return "*" if self.field is None else self.field.name

    @property
    def sql_type(self) -> str:
        """The PostgreSQL type of its value."""
        if self.field is None:
            return "bigint"
        if self.function in {"sum", "avg"} and self.field.sql_type == "bigint":
            return "numeric"
        return self.field.sql_type

    @property
    def is_integer(self) -> bool:
        """Whether its value is a whole number."""
        return self.field is None or (self.field.sql_type == "bigint" and self.function != "avg")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupQuery:
    """A page of groups of rows. `order` has the fields that the rows of a group share, one row without any."""

    aggregates: Sequence[Aggregate]
    order: Sequence[OrderKey]
    limit: int
    filter: Filter = EVERY_ROW
    search: SearchText | None = None
    after: Sequence[Any] | None = None


def compares(wanted: Filter) -> bool:
    """Whether there is a comparison in a filter; all rows are the same to one without."""
    match wanted:
        case Comparison():
            return True
        case Not():
            return compares(wanted.filter)
        case AllOf() | AnyOf():
            return any(map(compares, wanted.filters))


def by_id(model: Model, *, descending: bool = False) -> OrderKey:
    """Return the order by id."""
    return OrderKey(next(field for field in model.fields if field.name == "id"), descending)


def with_id(model: Model, row_id: object) -> Filter:
    """Return the filter of the row with an id."""
    return Comparison(by_id(model).field, "$eq", row_id)


def is_by_id(order: Sequence[OrderKey]) -> bool:
    """Whether an order is that of the ids alone."""
    return len(order) == 1 and order[0].field.name == "id"
