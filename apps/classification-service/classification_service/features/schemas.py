"""What POST /v1/features takes and answers."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from classification_service.classify.schemas import MAX_ITEMS, Item, ItemError, Text
from classification_service.classify.text import has_content, normalise
from classification_service.features.models import FeatureValue
from classification_service.taxonomies.models import ClassFeature, Term
from classification_service.taxonomies.schemas import TermOut
from nexus_chassis.schemas import RequestModel


def _with_content(text: str) -> str:
    """The text as it was sent: places of words are counted in it."""
    if not has_content(normalise(text)):
        raise ValueError("has no letter and no digit")
    return text


class FeatureItem(Item):
    """A product whose features are read, and the code of its class; without one it is classified first."""

    text: Annotated[Text, AfterValidator(_with_content)]
    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,20}$")] | None = None


class FeaturesRequest(RequestModel):
    """Products to read. `items` are checked one by one, so that a faulty one does not spoil the others."""

    items: Annotated[list[Any], Field(min_length=1, max_length=MAX_ITEMS)]
    version: Annotated[str, Field(max_length=32)] | None = Field(
        default=None, description="version of ETIM; the default one where it is left out"
    )
    llm: Literal["auto", "never", "always"] = Field(
        default="auto", description="as for POST /v1/classify, for items without a code"
    )


class OpenFeatureOut(BaseModel):
    """A feature of the class that nothing was found for."""

    code: str
    title: str
    kind: str | None
    unit: TermOut | None

    @classmethod
    def of(cls, feature: ClassFeature) -> "OpenFeatureOut":
        """Names a feature."""
        unit = None if feature.unit is None else TermOut.of(feature.unit)
        return cls(code=feature.code, title=feature.title, kind=feature.kind, unit=unit)


class FeatureValueOut(OpenFeatureOut):
    """A value of a feature: a code with its title, a number in the feature's `unit`, the two ends of a range, or true or false.

    `confidence` is the probability that the value is right if the class is. It was read from `words`, the characters (code
    points) of the item's text, or of the value of the `attribute`, from `start` up to `end`; `unit_found` is the unit there.
    """

    value: TermOut | bool | float | tuple[float, float]
    unit_found: str | None
    confidence: float
    source: Literal["text", "attribute"]
    attribute: str | None
    words: str
    start: int
    end: int

    @classmethod
    def of_value(cls, found: FeatureValue) -> "FeatureValueOut":
        """What is answered of a value."""
        return cls(
            **OpenFeatureOut.of(found.feature).model_dump(exclude={"unit"}),
            unit=None if found.feature.unit is None else TermOut.of(found.feature.unit),
            value=TermOut.of(found.value) if isinstance(found.value, Term) else found.value,
            unit_found=found.unit_text,
            confidence=found.confidence,
            source="text" if found.attribute is None else "attribute",
            attribute=found.attribute,
            words=found.spot.words,
            start=found.spot.start,
            end=found.spot.end,
        )


class FeaturesResult(BaseModel):
    """The answer for the item at `index`: its class, the values of the class's features, and those without one; or `error`.

    `code_source` tells who chose the class: the request (`given`), or as in the answers of POST /v1/classify; then
    `code_confidence` is the probability that it is right.
    """

    index: int
    id: str | None = None
    code: str | None = None
    title: str | None = None
    code_confidence: float | None = None
    code_source: Literal["given", "cache", "human", "llm", "model"] | None = None
    features: list[FeatureValueOut] = []
    open: list[OpenFeatureOut] = []
    warnings: list[str] = []
    error: ItemError | None = None


class FeaturesResponse(BaseModel):
    """One answer per item, in the order of the request."""

    taxonomy: Literal["etim"]
    version: str
    items: list[FeaturesResult]
