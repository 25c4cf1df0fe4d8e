"""Who supplies products, by a number of your own choice."""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import StringConstraints

from dataflow_service.registry.kailash_adapter import db


@db.model
class Supplier:
    """A supplier, by its number."""

    __indexes__: ClassVar = [{"name": "suppliers_name_idx", "fields": ["name"]}]

    id: Annotated[str, StringConstraints(max_length=50)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)] | None = None
    website: Annotated[str, StringConstraints(pattern=r"^https?://\S+$", max_length=2000)] | None = None
    active: bool = True
    created_at: datetime
    updated_at: datetime
