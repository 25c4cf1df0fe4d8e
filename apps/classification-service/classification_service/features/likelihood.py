"""How likely a quantity is the value of a feature: by what is near it, and by what else it may be the value of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from classification_service.features.class_index import (
    DIMENSIONS,
    FILLERS,
    IMPLIED,
    MODIFIERS,
    UNSAID,
    IndexedFeature,
)
from classification_service.features.passages import Passage
from classification_service.features.quantities import Form, Quantity
from classification_service.features.units import Unit

# Without a word that names the feature:
_ALONE = 0.9  # the only feature that has such a unit, and its title says no more than the unit does
_DEFAULT = 0.82  # the only one whose title says no more than the unit does
_DEFAULTS = 0.5  # one of several of these
_ONLY = 0.5  # the only one with such a unit, but its title says more
_ONLY_RANGE = 0.74  # the only one that has ranges, for a range
_EXACT_UNIT = 0.72  # the only one with this very unit, such as kA
_OF_MANY = 0.1
_ALONE_LENGTH = 0.81
_OF_LENGTHS = (0.35, 0.1)  # another one than the length, alone and among others: a product has many lengths
# With words that name it:
_NAMED = (0.4, 0.56)  # the least, and what a full name adds
_LEAST_NAMED = 0.2
_NEAR = 0.5  # weight of a word in the same part of the text
# What makes it less likely:
_ANOTHER_NAMED = 0.5
_OTHER_UNIT = 0.5
_QUALIFIED = 0.8
_AMBIGUOUS = 0.7
_ALTERNATIVES = 0.5


@dataclass(frozen=True, slots=True)
class Choice:
    """The features that have a unit of one kind; `title_words` are those of the class, which say nothing about a feature."""

    passage: Passage
    features: Sequence[IndexedFeature]
    title_words: frozenset[str]

    def confidences(self, quantity: Quantity, sides: Mapping[int, float]) -> list[float]:
        """How likely a quantity is the value of each feature; `sides` says it for some of them by their positions."""
        unit = quantity.unit
        assert unit is not None  # noqa: S101  of a kind
        context = self.passage.context(quantity.start, quantity.end)
        near = {word for word, weight in context.items() if weight >= _NEAR}
        named = [one for one in self.features if not one.core.isdisjoint(near)]
        confidences = []
        for one in self.features:
            side = sides.get(one.position)
            by_name = _named(one, unit, context)
            confidence = max(self._unnamed(quantity, unit, one), side or 0.0, by_name or 0.0)
            if side is None and by_name is None and _is_another(one, named, near):
                confidence *= _ANOTHER_NAMED
            if side is None and self._is_qualified(quantity, one):
                confidence *= _QUALIFIED
            confidences.append(confidence * _form_factor(quantity, one) * (_AMBIGUOUS if quantity.ambiguous else 1.0))
        return confidences

    def _unnamed(self, quantity: Quantity, unit: Unit, one: IndexedFeature) -> float:
        exact = [other for other in self.features if other.unit is not None and other.unit.name == unit.name]
        base = self._by_title(unit, one)
        if exact == [one] and len(self.features) > 1:
            return max(_EXACT_UNIT, base)
        ranges = [other for other in self.features if other.feature.kind == "range"]
        if quantity.form == Form.RANGE and ranges == [one]:
            return max(_ONLY_RANGE, base)
        return base if not exact or one in exact else base * _OTHER_UNIT

    def _by_title(self, unit: Unit, one: IndexedFeature) -> float:
        is_alone = len(self.features) == 1
        if unit.kind == "length":
            return _ALONE_LENGTH if is_alone and one.core == {"length"} else _OF_LENGTHS[not is_alone]
        implied = IMPLIED.get(unit.kind, frozenset()) | UNSAID
        defaults = [other for other in self.features if other.core <= implied]
        if one not in defaults:
            return _ONLY if is_alone else _OF_MANY
        if len(defaults) > 1:
            return _DEFAULTS
        return _ALONE if is_alone else _DEFAULT

    def _is_qualified(self, quantity: Quantity, one: IndexedFeature) -> bool:
        """Whether what is measured is of something else: the working height for a height, a height for a length."""
        if any(word.word in one.core for word in self.passage.after(quantity.end, 1)):
            return False
        before = self.passage.clause_before(quantity.start)
        named = next((place for place, word in enumerate(before) if word in one.core or word in DIMENSIONS), None)
        if named is None:
            return False
        if before[named] not in one.core:
            return True
        # An operating pressure is the pressure; an operating height is not the height.
        unsaid = FILLERS | (MODIFIERS - {"operating"} if before[named] in DIMENSIONS else MODIFIERS)
        qualifier = next((word for word in before[named + 1 :] if word not in unsaid), None)
        return qualifier is not None and qualifier not in self.title_words | one.weights.keys() and qualifier.isalpha()


def _is_another(one: IndexedFeature, named: Sequence[IndexedFeature], near: set[str]) -> bool:
    """Whether the words near name another feature in full."""
    return any(other.core - one.core and other.core - one.core <= near for other in named)


def _named(one: IndexedFeature, unit: Unit, context: Mapping[str, float]) -> float | None:
    """How likely it is by the words of its title that are near; None where none is."""
    if one.core.isdisjoint(context):
        return None
    covered = one.coverage({**dict.fromkeys(IMPLIED.get(unit.kind, ()), 1.0), **context})
    least, more = _NAMED
    return least + more * covered if covered >= _LEAST_NAMED else None


def _form_factor(quantity: Quantity, one: IndexedFeature) -> float:
    """A range is no number, but the two ends of something; alternatives such as 230/400 V say less."""
    if quantity.form == Form.RANGE:
        return 1.0 if one.feature.kind == "range" or one.side else 0.0
    if quantity.form == Form.SLASH:
        return _AMBIGUOUS if one.feature.kind == "range" else _ALTERNATIVES
    return 1.0
