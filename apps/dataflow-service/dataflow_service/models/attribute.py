"""What is said about products of a category."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from dataflow_service.registry.kailash_adapter import db


@db.model
class Attribute:
    """An attribute that products of a category, or all products, may have, by its code."""

    __indexes__: ClassVar = [{"name": "attributes_name_key", "fields": ["category_id", "name"], "unique": True}]
    __relations__: ClassVar = [{"field": "category_id", "model": "Category", "on_delete": "cascade"}]

    id: Annotated[str, StringConstraints(max_length=50)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    kind: Literal["text", "number", "boolean", "choice"] = "text"
    unit: Annotated[str, StringConstraints(min_length=1, max_length=20)] | None = None
    choices: list[str] = []  # noqa: RUF012 - copied for each row
    category_id: str | None = None
    created_at: datetime
    updated_at: datetime
