"""How imports look in the OpenAPI document."""

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, Field

from dataflow_service.bulk.schemas import CSV, NDJSON
from dataflow_service.imports.models import Part

MAX_PARTS = 1_000_000

PART_BODY = {
    "requestBody": {
        "content": {NDJSON: {"schema": {"type": "string", "description": "a row on each line"}}},
        "description": f"{NDJSON}, a row on each line, or {CSV}, with the names of the fields on the first line of each part",
        "required": True,
    }
}

ImportId = Annotated[str, Path(pattern="^[A-Za-z0-9_-]{1,64}$", description="chosen by the client, such as a UUID")]
PartNumber = Annotated[int, Path(ge=1, le=MAX_PARTS)]


class ImportPart(BaseModel):
    """A part that is in, and how many rows it changed in each way."""

    part: int
    at: datetime
    bytes: int
    sha256: str = Field(description="of the body, in hexadecimal digits")
    counts: dict[str, int]

    @classmethod
    def of(cls, part: Part) -> "ImportPart":
        """Return what is answered of a part."""
        return cls(part=part.part, at=part.at, bytes=part.size, sha256=part.sha256.hex(), counts=dict(part.counts))


class ImportParts(BaseModel):
    """The parts of an import that are in, by number; `next` is the `after` of the page after this one, null on the last."""

    items: list[ImportPart]
    next: int | None
