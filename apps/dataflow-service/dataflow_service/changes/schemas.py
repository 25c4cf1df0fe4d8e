"""How changes look in the OpenAPI document."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field


class ChangedRow(BaseModel):
    """One changed row. `row` is the row as it was afterwards, null for a deleted one."""

    event: str = Field(description="position of the change, which events of channels name too")
    at: datetime
    model: str = Field(description="path of the model")
    op: Literal["create", "update", "delete"]
    id: int | str
    changed: list[str] = Field(description="the fields that were set")
    row: dict[str, Any] | None


class ChangePage(BaseModel):
    """Changes in the order of their transactions; `next` is the `after` of the following page, also of an empty one."""

    items: list[ChangedRow]
    next: str
