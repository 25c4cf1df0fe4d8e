"""Lists of prices."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from dataflow_service.registry.kailash_adapter import db


@db.model
class PriceList:
    """Prices in one currency for some time, of one supplier or of your own."""

    __relations__: ClassVar = [{"field": "supplier_id", "model": "Supplier", "on_delete": "restrict"}]

    id: Annotated[str, StringConstraints(max_length=50)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    valid_from: date
    valid_to: date | None = None
    supplier_id: str | None = None
    created_at: datetime
    updated_at: datetime


@db.model
class PriceItem:
    """The price of one unit of a product, for orders of at least a quantity."""

    __indexes__: ClassVar = [
        {
            "name": "price_items_quantity_key",
            "fields": ["price_list_id", "product_id", "minimum_quantity"],
            "unique": True,
        }
    ]
    __relations__: ClassVar = [
        {"field": "price_list_id", "model": "PriceList", "on_delete": "cascade"},
        {"field": "product_id", "model": "Product", "on_delete": "cascade"},
    ]

    id: int
    price_list_id: str
    product_id: int
    minimum_quantity: Annotated[Decimal, Field(gt=0)] = Decimal(1)
    price: Annotated[Decimal, Field(ge=0)]
    created_at: datetime
    updated_at: datetime
