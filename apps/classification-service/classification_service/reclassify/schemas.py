"""What POST /v1/reclassify takes and answers."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from classification_service.classify.schemas import MAX_ITEMS, Item, ItemResult
from classification_service.taxonomies.schemas import CodeRef
from nexus_chassis.schemas import RequestModel

_VERSION = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$"

type Outcome = Literal["kept", "moved", "reclassified"]


class CodedItem(Item):
    """A product with the code that it has in the version `since`."""

    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,20}$")]


class ReclassifyRequest(RequestModel):
    """Products whose codes are of the imported version `since`."""

    items: Annotated[list[CodedItem], Field(min_length=1, max_length=MAX_ITEMS)]
    taxonomy: Annotated[str, Field(pattern=r"^[a-z]{1,40}$")]
    since: Annotated[str, Field(pattern=_VERSION)]
    version: Annotated[str, Field(pattern=_VERSION)]
    llm: Literal["auto", "never", "always"] = "auto"
    review: bool = Field(
        default=False, description="put the uncertain ones of those that are classified into the review queue"
    )


class Reclassified(BaseModel):
    """What became of an item: its code is there as it was (`kept`), has another code (`moved`), or its text was classified.

    That is so where the code was retired or codes near it were added; `answer` is there then.
    """

    index: int
    id: str | None
    outcome: Outcome
    before: str
    code: str
    title: str
    path: list[CodeRef]
    answer: ItemResult | None


class ReclassifyResponse(BaseModel):
    """The items in the order of the request, and how many had each outcome."""

    taxonomy: str
    since: str
    version: str
    counts: Mapping[Outcome, int]
    queued: int | None
    items: list[Reclassified]
