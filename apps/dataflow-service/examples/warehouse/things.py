"""What is in the warehouse: items, their lots, and how much of each is where."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field, StringConstraints

from dataflow_service.registry.kailash_adapter import db


@db.model
class Item:
    """Something that is stored, by its number."""

    id: Annotated[str, StringConstraints(max_length=100)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    unit: Annotated[str, StringConstraints(min_length=1, max_length=20)] = "piece"
    created_at: datetime
    updated_at: datetime


@db.model
class Lot:
    """Pieces of an item that were made together."""

    __indexes__: ClassVar = [{"name": "lots_number_key", "fields": ["item_id", "number"], "unique": True}]
    __relations__: ClassVar = [{"field": "item_id", "model": "Item", "on_delete": "restrict"}]

    id: UUID
    item_id: str
    number: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    expires_on: date | None = None
    created_at: datetime
    updated_at: datetime


@db.model
class Stock:
    """How much of an item, or of a lot of it, is in a bin."""

    __indexes__: ClassVar = [
        {"name": "stocks_place_key", "fields": ["bin_id", "item_id", "lot_id"], "unique": True},
    ]
    __relations__: ClassVar = [
        {"field": "bin_id", "model": "Bin", "on_delete": "restrict"},
        {"field": "item_id", "model": "Item", "on_delete": "restrict"},
        {"field": "lot_id", "model": "Lot", "on_delete": "restrict"},
    ]

    id: int
    bin_id: str
    item_id: str
    lot_id: UUID | None = None
    quantity: Annotated[Decimal, Field(ge=0)]
    created_at: datetime
    updated_at: datetime
