"""Documents about products and suppliers."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import StringConstraints

from dataflow_service.registry.kailash_adapter import db


@db.model
class Document:
    """Where a document about a product or a supplier is."""

    __relations__: ClassVar = [
        {"field": "product_id", "model": "Product", "on_delete": "cascade"},
        {"field": "supplier_id", "model": "Supplier", "on_delete": "cascade"},
    ]

    id: UUID
    title: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    kind: Literal["datasheet", "manual", "certificate", "drawing", "other"] = "other"
    url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$", max_length=2000)]
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")] | None = None
    product_id: int | None = None
    supplier_id: str | None = None
    created_at: datetime
    updated_at: datetime
