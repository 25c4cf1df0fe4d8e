"""What POST /v1/classify takes and answers."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from classification_service.classify.models import Classification
from classification_service.classify.text import MAX_TEXT, has_content, normalise
from classification_service.encoder.languages import LANGUAGE
from classification_service.taxonomies.schemas import CodeRef
from nexus_chassis.schemas import RequestModel


def _with_content(text: str) -> str:
    if not has_content(text):
        raise ValueError("has no letter and no digit")
    return text


MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_ITEMS = 1000
MAX_ID = 200
MAX_ATTRIBUTES = 50

type Text = Annotated[str, Field(max_length=MAX_TEXT)]


class Item(RequestModel):
    """One product. `text` is its name or description, `language` a BCP 47 tag, English where none is given."""

    id: Annotated[str, Field(max_length=MAX_ID)] | None = None
    text: Annotated[Text, AfterValidator(normalise), AfterValidator(_with_content)]
    attributes: Annotated[dict[str, Text | int | float | bool], Field(default_factory=dict, max_length=MAX_ATTRIBUTES)]
    language: Annotated[str, Field(pattern=LANGUAGE)] = "en"

    def full_text(self) -> str:
        """What is classified: the text, then the attributes with their names."""
        return " ".join([self.text, *(f"{name} {value}" for name, value in self.attributes.items())])


class ClassifyRequest(RequestModel):
    """Products to classify. `items` are checked one by one, so that a faulty one does not spoil the others."""

    items: Annotated[list[Any], Field(min_length=1, max_length=MAX_ITEMS)]
    taxonomy: str
    version: str | None = None
    top_k: Annotated[int, Field(ge=1, le=20)] = 5
    llm: Literal["auto", "never", "always"] = "auto"
    review: bool = Field(default=False, description="put the uncertain items into the review queue")


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

    `confidence` is the probability that the code or one below it is right; `source` tells where the answer came from:
    a person who chose the code for this text (`human`), the local model, the language model (`llm`), or either of these two
    earlier (`cache`), as `model_version` says.
    """

    index: int
    id: str | None = None
    code: str | None = None
    title: str | None = None
    level: str | None = None
    path: list[CodeRef] = []
    confidence: float | None = None
    candidates: list[CandidateOut] = []
    source: Literal["cache", "human", "llm", "model"] | None = None
    model_version: str | None = None
    warnings: list[str] = []
    error: ItemError | None = None

    @classmethod
    def of(
        cls,
        index: int,
        item: Item,
        found: Classification,
        model_version: str,
        *,
        source: Literal["human", "llm", "model"] = "model",
        warnings: Sequence[str] = (),
    ) -> "ItemResult":
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
            source=source,
            model_version=model_version,
            warnings=list(warnings),
        )


class ClassifyResponse(BaseModel):
    """One answer per item, in the order of the request."""

    taxonomy: str
    version: str
    items: list[ItemResult]
    queued: int | None = Field(
        default=None, description="items that were put into the review queue, where that was asked for"
    )


def inlined_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of a body without references, which would lead nowhere in the OpenAPI document."""
    schema = model.model_json_schema()
    parts = schema.pop("$defs", {})

    def inlined(part: Any) -> Any:  # noqa: ANN401  JSON
        if isinstance(part, list):
            return [inlined(item) for item in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return inlined(parts[part["$ref"].rpartition("/")[2]])
        return {name: inlined(value) for name, value in part.items()}

    return {name: inlined(value) for name, value in schema.items()}
