"""How things come and go: receipts and shipments with their lines."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from dataflow_service.registry.kailash_adapter import db

Number = Annotated[str, StringConstraints(max_length=40)]
Quantity = Annotated[Decimal, Field(gt=0)]


@db.model
class Receipt:
    """Things that arrive."""

    __relations__: ClassVar = [{"field": "warehouse_id", "model": "Warehouse", "on_delete": "restrict"}]

    id: Number
    warehouse_id: str
    sender: str | None = None
    status: Literal["expected", "arrived", "stored"] = "expected"
    created_at: datetime
    updated_at: datetime


@db.model
class ReceiptLine:
    """One item of a receipt, which goes with it."""

    __relations__: ClassVar = [
        {"field": "receipt_id", "model": "Receipt", "on_delete": "cascade"},
        {"field": "item_id", "model": "Item", "on_delete": "restrict"},
        {"field": "lot_id", "model": "Lot", "on_delete": "set null"},
    ]

    id: int
    receipt_id: str
    item_id: str
    lot_id: UUID | None = None
    quantity: Quantity
    created_at: datetime
    updated_at: datetime


@db.model
class Shipment:
    """Things that leave."""

    __relations__: ClassVar = [{"field": "warehouse_id", "model": "Warehouse", "on_delete": "restrict"}]

    id: Number
    warehouse_id: str
    receiver: str
    status: Literal["planned", "packed", "sent"] = "planned"
    created_at: datetime
    updated_at: datetime


@db.model
class ShipmentLine:
    """One item of a shipment, which goes with it."""

    __relations__: ClassVar = [
        {"field": "shipment_id", "model": "Shipment", "on_delete": "cascade"},
        {"field": "item_id", "model": "Item", "on_delete": "restrict"},
        {"field": "lot_id", "model": "Lot", "on_delete": "set null"},
    ]

    id: int
    shipment_id: str
    item_id: str
    lot_id: UUID | None = None
    quantity: Quantity
    created_at: datetime
    updated_at: datetime
