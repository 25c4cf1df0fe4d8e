"""The tree of categories."""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import StringConstraints

from dataflow_service.registry.kailash_adapter import db


@db.model
class Category:
    """A category of products, by its code. It is in another one, or at the top."""

    __indexes__: ClassVar = [{"name": "categories_name_key", "fields": ["parent_id", "name"], "unique": True}]
    __relations__: ClassVar = [{"field": "parent_id", "model": "Category", "on_delete": "restrict"}]

    id: Annotated[str, StringConstraints(max_length=50)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    description: str | None = None
    parent_id: str | None = None
    created_at: datetime
    updated_at: datetime
