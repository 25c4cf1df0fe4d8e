"""What POST /v1/classify takes and answers."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from classification_service.classify.classifier import Classification
from classification_service.taxonomies.schemas import CodeRef

MOST_ITEMS = 1000
LONGEST_TEXT = 10_000
MOST_ATTRIBUTES = 50

type Text = Annotated[str, Field(max_length=LONGEST_TEXT)]


class Item(BaseModel):
    """One product. `text` is its name or description, `language` a BCP 47 tag, English where none is given."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(max_length=200)] | None = None
    text: Annotated[Text, Field(min_length=1, pattern=r"\S")]
    attributes: Annotated[dict[str, Text | int | float | bool], Field(max_length=MOST_ATTRIBUTES)] = {}
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")] = "en"

    def full_text(self) -> str:
        """What is classified: the text, then the attributes with their names."""
        text = " ".join([self.text, *(f"{name} {value}" for name, value in self.attributes.items())])
        # Names of attributes may hold lone surrogates, which no tokenizer takes: JSON can escape them.
        return text.encode("utf-8", "replace").decode()


class ClassifyRequest(BaseModel):
    """Products to classify. `items` are checked one by one, so that a faulty one does not spoil the others."""

    model_config = ConfigDict(extra="forbid")

    items: Annotated[list[Any], Field(min_length=1, max_length=MOST_ITEMS)]
    taxonomy: str
    version: str | None = None
    top_k: Annotated[int, Field(ge=1, le=20)] = 5
    llm: Literal["auto", "never", "always"] = "auto"


class CandidateOut(BaseModel):
    """A code that the text may belong to; `confidence` is without the codes below it, so that candidates add up."""

    code: str
    title: str
    confidence: float


class ItemError(BaseModel):
    """Why an item has no code, as in problem details (RFC 9457)."""

    type: str
    title: str
    detail: str


class ItemResult(BaseModel):
    """The answer for the item at `index`: a code, or `error`.

    `confidence` is the probability that the code or one below it is right; `source` tells where the answer came from.
    """

    index: int
    id: str | None = None
    code: str | None = None
    title: str | None = None
    level: str | None = None
    path: list[CodeRef] = []
    confidence: float | None = None
    candidates: list[CandidateOut] = []
    source: Literal["model"] | None = None
    model_version: str | None = None
    warnings: list[str] = []
    error: ItemError | None = None

    @classmethod
    def of(cls, index: int, item: Item, found: Classification, model_version: str) -> "ItemResult":
        """The answer for an item that has a code."""
        return cls(
            index=index,
            id=item.id,
            code=found.node.code,
            title=found.node.title,
            level=found.node.level,
            path=[CodeRef.of(node) for node in found.path],
            confidence=found.confidence,
            candidates=[
                CandidateOut(code=candidate.node.code, title=candidate.node.title, confidence=candidate.confidence)
                for candidate in found.candidates
            ],
            source="model",
            model_version=model_version,
            warnings=_warnings(item),
        )


class ClassifyResponse(BaseModel):
    """One answer per item, in the order of the request."""

    taxonomy: str
    version: str
    items: list[ItemResult]


def _warnings(item: Item) -> list[str]:
    if item.language.split("-")[0].lower() == "en":
        return []
    return [f"The model was trained on English; the text was classified as it stands, in {item.language!r}."]
