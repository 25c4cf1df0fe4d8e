"""What is read out of a text about the features of a class."""

from collections.abc import Sequence
from dataclasses import dataclass

from classification_service.features.source_text import Spot
from classification_service.taxonomies.models import ClassFeature, Term

type Value = Term | float | tuple[float, float] | bool
"""Of an alphanumeric, a numeric, a range and a logical feature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EtimClass:
    """A class of ETIM with its features."""

    code: str
    title: str
    features: tuple[ClassFeature, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A value of the feature at `position` of a class, as one place of a text says it.

    `confidence` is how likely it is right, between 0 and 1; `unit_text` is the unit as it was found.
    """

    position: int
    value: Value
    unit_text: str | None
    confidence: float
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureValue:
    """The value of a feature, and the words that it was read from. `attribute` names the attribute that had them, None is the text."""

    feature: ClassFeature
    value: Value
    unit_text: str | None
    confidence: float
    attribute: str | None
    spot: Spot


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """The values that were found, in the order of the class's features, and the features that have none.

    `is_whole` says whether all of the item was read.
    """

    found: Sequence[FeatureValue]
    open: Sequence[ClassFeature]
    is_whole: bool
