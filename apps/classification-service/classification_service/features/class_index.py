"""A class of ETIM prepared for reading: its features by what texts may call them and their values."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from classification_service.features.models import EtimClass
from classification_service.features.units import Unit, Units
from classification_service.features.words import words_of
from classification_service.taxonomies.models import ClassFeature, Term

FILLERS = frozenset(
    [
        "of",
        "in",
        "at",
        "to",
        "the",
        "a",
        "an",
        "and",
        "or",
        "for",
        "with",
        "without",
        "on",
        "by",
        "from",
        "as",
        "per",
        "acc",
        "according",
        "en",
        "iec",
        "iso",
        "din",
    ]
)
"""Words of titles that say nothing about what the feature is."""

MODIFIERS = frozenset(
    ["nominal", "max", "min", "total", "approximate", "approx", "permitted", "type", "number", "suitable", "operating"]
)
"""Words of titles that many features have, and that texts leave out."""

IMPLIED: Mapping[str, frozenset[str]] = {
    "voltage": frozenset({"voltage"}),
    "current": frozenset({"current"}),
    "power": frozenset({"power"}),
    "apparent power": frozenset({"power", "apparent"}),
    "mass": frozenset({"weight"}),
    "frequency": frozenset({"frequency"}),
    "rotation": frozenset({"speed", "rotation", "rotational"}),
    "pressure": frozenset({"pressure"}),
    "torque": frozenset({"torque"}),
    "temperature": frozenset({"temperature"}),
    "temperature difference": frozenset({"colour", "temperature"}),
    "luminous flux": frozenset({"luminous", "flux"}),
    "flow": frozenset({"volume", "flow"}),
    "level": frozenset({"sound", "level", "noise"}),
    "area": frozenset({"cross", "section", "conductor"}),
    "volume": frozenset({"capacity", "volume", "content", "net"}),
    "charge": frozenset({"capacity"}),
    "share": frozenset({"efficiency"}),
    "force": frozenset({"strength", "tensile", "force"}),
    "angle": frozenset({"angle"}),
    "data": frozenset({"capacity", "memory"}),
}
"""Words of a feature's title that its unit says already."""

UNSAID = frozenset({"ambient", "during", "resistance"})
"""Words that a text leaves out where nothing else has such a unit: -20...+60 °C are the ambient temperature."""

DIMENSIONS = frozenset({"length", "width", "height", "depth", "thickness", "diameter"})

_MODIFIER_WEIGHT = 0.25
_IMPLIED_WEIGHT = 0.5
_PARENTHESES = re.compile(r"\(([^()]*)\)")
_ABBREVIATION = re.compile(r"[A-Z][A-Z0-9/-]{1,7}")
_NO_VALUE = frozenset({("other",), ("several",), ("standard",), ("special",)})
_LONGEST_PHRASE = 12  # words
_WEAK_LETTERS = 2
_SHORTEST_ABBREVIATION = 2
_SWAPPED = frozenset({"stainless", "cast", "galvanised"})
"""Words that may follow what they describe, as in other languages: acero inoxidable."""


@dataclass(frozen=True, slots=True)
class IndexedFeature:
    """A feature with the weights of its title's words, of which those in `core` tell it from others.

    `unit` is None where it is not known, or there is none.
    """

    position: int
    feature: ClassFeature
    weights: Mapping[str, float]
    core: frozenset[str]
    unit: Unit | None

    @property
    def side(self) -> str | None:
        """`min` or `max` where it is one end of something."""
        return next((word for word in ("min", "max") if word in self.weights), None)

    @property
    def is_count(self) -> bool:
        """Whether its numbers have no unit."""
        return self.feature.unit is None

    def coverage(self, context: Mapping[str, float]) -> float:
        """How much of the title words say that have a weight each, 0 to 1."""
        total = sum(self.weights.values())
        return sum(weight * context.get(word, 0.0) for word, weight in self.weights.items()) / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that say a value of a feature; `value` is None for a logical one. `weak` ones need the feature's name beside them."""

    words: tuple[str, ...]
    feature: int
    value: Term | None
    weak: bool


type Phrases = Mapping[str, Sequence[Phrase]]


@dataclass(frozen=True, slots=True)
class ClassIndex:
    """A class: `by_kind` has the features with a unit by its kind, `phrases` those that begin with a word, the longest first."""

    etim: EtimClass
    features: tuple[IndexedFeature, ...]
    by_kind: Mapping[str, Sequence[IndexedFeature]]
    counts: Sequence[IndexedFeature]
    phrases: Phrases
    positions: Mapping[str, int]
    title_words: frozenset[str]


def index_class(etim: EtimClass, units: Units) -> ClassIndex:
    """Prepare a class; takes some milliseconds for one with hundreds of values."""
    features = tuple(_indexed(position, feature, units) for position, feature in enumerate(etim.features))
    numeric = [one for one in features if one.feature.kind in {"numeric", "range"}]
    by_kind: defaultdict[str, list[IndexedFeature]] = defaultdict(list)
    for one in numeric:
        if one.unit is not None:
            by_kind[one.unit.kind].append(one)
    return ClassIndex(
        etim,
        features,
        by_kind=dict(by_kind),
        counts=[one for one in numeric if one.is_count],
        phrases=_phrases(features),
        positions={feature.code: position for position, feature in enumerate(etim.features)},
        title_words=frozenset(words_of(etim.title)),
    )


def _indexed(position: int, feature: ClassFeature, units: Units) -> IndexedFeature:
    unit = None if feature.unit is None else units.named(feature.unit.title)
    implied = IMPLIED.get(unit.kind, frozenset()) if unit is not None else frozenset()
    weights: dict[str, float] = {}
    for word in words_of(feature.title):
        if word not in FILLERS:
            weights[word] = _weight(word, implied)
    core = frozenset(word for word, weight in weights.items() if weight > _MODIFIER_WEIGHT)
    return IndexedFeature(position, feature, weights, core, unit)


def _weight(word: str, implied: frozenset[str]) -> float:
    if word in MODIFIERS or word[0].isdigit():
        return _MODIFIER_WEIGHT
    return _IMPLIED_WEIGHT if word in implied else 1.0


def _phrases(features: Sequence[IndexedFeature]) -> Phrases:
    by_first: defaultdict[str, list[Phrase]] = defaultdict(list)
    titles = {words_of(value.title) for one in features for value in one.feature.values}
    for one in features:
        for phrase in _phrases_of(one, titles):
            if phrase.words and len(phrase.words) <= _LONGEST_PHRASE and phrase.words not in _NO_VALUE:
                by_first[phrase.words[0]].append(phrase)
    return {first: sorted(found, key=lambda phrase: -len(phrase.words)) for first, found in by_first.items()}


def _phrases_of(one: IndexedFeature, titles: set[tuple[str, ...]]) -> Iterator[Phrase]:
    if one.feature.kind == "logical":
        words = tuple(word for word in words_of(one.feature.title) if word not in FILLERS and word != "suitable")
        yield Phrase(words, one.position, None, weak=False)
        return
    if one.feature.kind != "alphanumeric":
        return
    variants = [(value, words) for value in one.feature.values for words in _variants(value.title)]
    times = Counter(words for _, words in variants)
    for value, words in variants:
        is_title = words == words_of(value.title)
        if is_title or (times[words] == 1 and words not in titles):
            is_abbreviation = not is_title and len("".join(words)) >= _SHORTEST_ABBREVIATION
            yield Phrase(words, one.position, value, weak=not is_abbreviation and _is_weak(words))


def _variants(title: str) -> set[tuple[str, ...]]:
    """The ways of saying a value: the whole title, without what is in parentheses or after `=`, an abbreviation in parentheses."""
    inside = _PARENTHESES.findall(title)
    texts = {title, _PARENTHESES.sub(" ", title), title.partition("=")[0]}
    if len(inside) == 1 and title.endswith(")") and _ABBREVIATION.fullmatch(inside[0]):
        texts.add(inside[0])
    found = {words_of(text) for text in texts}
    return found | {words[::-1] for words in found if len(words) == 2 and words[0] in _SWAPPED}  # noqa: PLR2004  two words


def _is_weak(words: tuple[str, ...]) -> bool:
    text = "".join(words).replace(".", "")
    return (len(words) == 1 and len(text) <= _WEAK_LETTERS) or text.isdigit() or words in _WEAK


_WEAK = frozenset(
    {("no",), ("yes",), ("none",), ("left",), ("right",), ("open",), ("one",), ("two",), ("without",), ("fixed",)}
)
