"""A model as the service uses it: fields, columns, and the validators made from its annotations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel

from dataflow_service.registry.declarations import DELETED_AT
from dataflow_service.registry.errors import NoSuchModelError
from dataflow_service.registry.identifiers import Identifier
from dataflow_service.registry.kailash_adapter import GeneratedNode

SERVICE_FIELDS = frozenset({"id", "created_at", "updated_at"})
"""Fields that callers do not change: the service sets them, but an id that is text or a UUID in a new row."""

ROW_VERSION = "row_version"
"""The column of each table that is no field: it counts the changes of a row."""

TENANT = "tenant_id"
"""The column of multi-tenant models that is no field: PostgreSQL shows a row to its tenant alone."""


type OnDelete = Literal["restrict", "cascade", "set null"]
"""What happens to a row when the row that it refers to is deleted; "restrict" refuses that."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a model, which is one column of its table. It has one of `texts`, or a list of them, if there are any.

    `expression` is the SQL that computes it, if PostgreSQL does.
    """

    name: str
    sql_type: str
    required: bool
    nullable: bool
    texts: tuple[str, ...] = ()
    expression: str | None = None

    @property
    def is_list(self) -> bool:
        """Whether its column is an array."""
        return self.sql_type.endswith("[]")

    @property
    def unordered(self) -> str | None:
        """What it is, in a sentence, if its values have no order."""
        if self.sql_type == "jsonb":
            return "a JSON field"
        return "a list" if self.is_list else None


@dataclass(frozen=True, slots=True)
class Search:
    """That the texts of `fields` are searched, whose words are those of a language."""

    fields: tuple[Field, ...]
    language: str


@dataclass(frozen=True, eq=False)
class Model:
    """One registered model. `path` is its name in row addresses; `create` and `change` check what callers send.

    `requires_if_match`: a row is changed and deleted only by those who say which version of it they have seen.
    `relations` are those that it declares, `referrers` those of all models that lead to it.
    `multi_tenant`: each row belongs to a tenant. `soft_delete`: a deleted row is marked in `DELETED_AT` and kept.
    `search` is None where no texts are searched.
    """

    name: str
    path: str
    table: str
    summary: str
    fields: Sequence[Field]
    indexes: Sequence[dict[str, Any]]
    nodes: Sequence[GeneratedNode]
    identifier: Identifier
    create: type[BaseModel]
    change: type[BaseModel]
    requires_if_match: bool = False
    multi_tenant: bool = True
    soft_delete: bool = False
    search: Search | None = None
    relations: "list[Relation]" = field(default_factory=list)
    referrers: "list[Relation]" = field(default_factory=list)

    @cached_property
    def written(self) -> list[Field]:
        """The fields that callers may write in each row."""
        managed = {*SERVICE_FIELDS, DELETED_AT} if self.soft_delete else SERVICE_FIELDS
        return [field for field in self.fields if field.name not in managed and field.expression is None]

    @cached_property
    def inserted(self) -> list[Field]:
        """The fields that callers may write in a new row: those, and an id that they choose."""
        return [field for field in self.fields if field in self.written or (field.name == "id" and self.has_own_ids)]

    @property
    def has_own_ids(self) -> bool:
        """Whether callers choose the ids of its rows."""
        return not self.has_numbers

    @cached_property
    def has_numbers(self) -> bool:
        """Whether the ids of its rows are numbers, not text."""
        return any(field.name == "id" and field.sql_type == "bigint" for field in self.fields)

    @cached_property
    def unique_indexes(self) -> list[list[str]]:
        """The fields of each unique index whose values callers send, that of ids among them where callers choose these."""
        unique = [list(index["fields"]) for index in self.indexes if index.get("unique")]
        declared = [fields for fields in unique if self.names_of_new.issuperset(fields)]
        return [*declared, ["id"]] if self.has_own_ids else declared

    def unique_index(self, names: Sequence[str]) -> list[str] | None:
        """Return the fields of the unique index that has exactly these, in any order; None where there is none."""
        return next((fields for fields in self.unique_indexes if sorted(fields) == sorted(names)), None)

    @cached_property
    def soft_delete_relations(self) -> "list[Relation]":
        """Its relations to models with soft delete: their foreign keys hold for rows that are deleted, too."""
        return [relation for relation in self.relations if relation.target.soft_delete]

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the fields that callers may write in each row."""
        return frozenset(field.name for field in self.written)

    @cached_property
    def names_of_new(self) -> frozenset[str]:
        """The names of the fields that callers may write in a new row."""
        return frozenset(field.name for field in self.inserted)


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """That `field` of `model` has the id of a row of `target`. In answers that row is called `name`."""

    name: str
    model: Model
    field: Field
    target: Model
    on_delete: OnDelete

    @property
    def constraint(self) -> str:
        """The name of its foreign key in the table of the model."""
        return f"{self.field.name}_fkey"


class Registry:
    """All registered models. They are found by class name or by their name in row addresses."""

    def __init__(self, models: Sequence[Model]) -> None:
        self.models = tuple(models)
        self._by_name = {model.name: model for model in models}
        self.by_path: Mapping[str, Model] = {model.path: model for model in models}

    def named(self, name: str) -> Model:
        """Return the model with a class name.

        Raises:
            NoSuchModelError: No model has it.
        """
        return _one(self._by_name, name)

    def at_path(self, path: str) -> Model:
        """Return the model with a name in row addresses.

        Raises:
            NoSuchModelError: No model has it.
        """
        return _one(self.by_path, path)


def _one(models: Mapping[str, Model], name: str) -> Model:
    try:
        return models[name]
    except KeyError:
        raise NoSuchModelError(name, sorted(models)) from None
