"""A model as the service uses it: fields, columns, and the validators made from its annotations."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel, TypeAdapter

from dataflow_service.framework import GeneratedNode

KEPT_BY_SERVICE = frozenset({"id", "created_at", "updated_at"})
"""Fields that callers read but never write."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a model, which is one column of its table."""

    name: str
    sql_type: str
    required: bool
    nullable: bool


@dataclass(frozen=True)
class Model:
    """One registered model. `path` is its name in row addresses, `create` and `change` check what callers send."""

    name: str
    path: str
    table: str
    summary: str
    fields: Sequence[Field]
    indexes: Sequence[dict[str, Any]]
    nodes: Sequence[GeneratedNode]
    identifier: TypeAdapter[Any]
    create: type[BaseModel]
    change: type[BaseModel]

    @cached_property
    def create_many(self) -> TypeAdapter[list[BaseModel]]:
        """Validator of an array of new rows."""
        return TypeAdapter(list[self.create])  # type: ignore[name-defined]  # a class made at start

    @cached_property
    def written(self) -> list[Field]:
        """The fields that callers may write."""
        return [field for field in self.fields if field.name not in KEPT_BY_SERVICE]

    @cached_property
    def json_fields(self) -> list[str]:
        """The fields stored as jsonb."""
        return [field.name for field in self.fields if field.sql_type == "jsonb"]


class Catalogue:
    """All registered models, by name and by path."""

    def __init__(self, models: Sequence[Model]) -> None:
        self.models = tuple(models)
        self.by_name = {model.name: model for model in models}
        self.by_path = {model.path: model for model in models}
