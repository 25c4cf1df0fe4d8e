"""Where things are: warehouses, their zones and bins."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from dataflow_service.registry.kailash_adapter import db

Code = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9-]+$", max_length=40)]


@db.model
class Warehouse:
    """A building with things."""

    id: Code
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    city: str | None = None
    created_at: datetime
    updated_at: datetime


@db.model
class Zone:
    """A part of a warehouse, for things of one kind."""

    __relations__: ClassVar = [{"field": "warehouse_id", "model": "Warehouse", "on_delete": "restrict"}]

    id: Code
    warehouse_id: Code
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    climate: Literal["normal", "cooled", "frozen"] = "normal"
    created_at: datetime
    updated_at: datetime


@db.model
class Bin:
    """A place in a zone."""

    __relations__: ClassVar = [{"field": "zone_id", "model": "Zone", "on_delete": "restrict"}]

    id: Code
    zone_id: Code
    blocked: bool = False
    created_at: datetime
    updated_at: datetime
