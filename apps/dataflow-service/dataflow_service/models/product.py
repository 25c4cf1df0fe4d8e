"""A product as a supplier names it, with the codes it has been classified to."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import StringConstraints

from dataflow_service.registry.kailash_adapter import db


@db.model
class Product:
    """One product of a catalogue."""

    __indexes__: ClassVar = [{"name": "products_sku_key", "fields": ["sku"], "unique": True}]

    id: int
    name: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    description: str | None = None
    sku: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    supplier: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    unspsc_code: Annotated[str, StringConstraints(pattern=r"^[0-9]{8}$")] | None = None
    etim_class: Annotated[str, StringConstraints(pattern=r"^EC[0-9]{6}$")] | None = None
    attributes: dict[str, Any] = {}  # noqa: RUF012 - copied for each row
    created_at: datetime
    updated_at: datetime
