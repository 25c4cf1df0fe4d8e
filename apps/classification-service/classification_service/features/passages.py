"""A text or the value of an attribute as it is read: its words, its quantities, and what stands near a place."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from classification_service.features.quantities import Quantity, read_quantities
from classification_service.features.source_text import SourceText
from classification_service.features.units import Units
from classification_service.features.words import Word, split

_BREAKS = frozenset(",;|\n•()")
_LEFT_WEIGHTS = (1.0, 1.0, 0.95, 0.8, 0.6, 0.5)  # of the words before a place, the nearest first
_RIGHT_WEIGHTS = (0.85, 0.85, 0.7, 0.5)
_BEYOND_BREAK = 0.35
_FAR = 20  # characters between two words


@dataclass(frozen=True)
class Passage:
    """A text; `lead` are words that stand before it, such as the name of an attribute."""

    source: SourceText
    language: str
    units: Units
    lead: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """In compatibility form."""
        return self.source.text

    @cached_property
    def words(self) -> list[Word]:
        """In their order."""
        return split(self.text)

    @cached_property
    def quantities(self) -> list[Quantity]:
        """In their order."""
        return read_quantities(self.text, self.language, self.units)

    @cached_property
    def _ends(self) -> list[int]:
        return [word.end for word in self.words]

    @cached_property
    def _starts(self) -> list[int]:
        return [word.start for word in self.words]

    @cached_property
    def _quantity_ends(self) -> list[int]:
        return [one.end for one in self.quantities if one.unit is not None]

    @cached_property
    def _quantity_starts(self) -> list[int]:
        return [one.start for one in self.quantities if one.unit is not None]

    def before(self, start: int, count: int = len(_LEFT_WEIGHTS)) -> Sequence[Word]:
        """The words right before a place, the nearest first, back to the quantity before it."""
        place = bisect_right(self._quantity_ends, start) - 1
        limit = self._quantity_ends[place] if place >= 0 else 0
        last = bisect_right(self._ends, start)
        return [word for word in reversed(self.words[max(0, last - count) : last]) if word.start >= limit]

    def after(self, end: int, count: int = len(_RIGHT_WEIGHTS)) -> Sequence[Word]:
        """The words right after a place, the nearest first, up to the next quantity."""
        place = bisect_left(self._quantity_starts, end)
        limit = self._quantity_starts[place] if place < len(self._quantity_starts) else len(self.text)
        first = bisect_left(self._starts, end)
        return [word for word in self.words[first : first + count] if word.end <= limit]

    def clause_before(self, start: int) -> list[str]:
        """The words before a place, the nearest first, back to a comma or the quantity before it."""
        found: list[str] = []
        end = start
        for word in self.before(start):
            if self.breaks(word.end, end):
                break
            found.append(word.word)
            end = word.start
        return found

    def is_glued(self, start: int) -> bool:
        """Whether a letter or digit stands right before a place."""
        return start > 0 and self.text[start - 1].isalnum()

    def is_close(self, end: int) -> bool:
        """Whether the next word after a place begins within a character."""
        return any(word.start - end <= 1 for word in self.after(end, 1))

    def context(self, start: int, end: int) -> dict[str, float]:
        """The words near a part of the text with weights: less for those that are farther, or beyond a comma."""
        weights: dict[str, float] = {}
        for word, weight in zip(self.before(start), _LEFT_WEIGHTS, strict=False):
            here = weight * (_BEYOND_BREAK if self.breaks(word.end, start) else 1.0)
            weights[word.word] = max(weights.get(word.word, 0.0), here)
        for word, weight in zip(self.after(end), _RIGHT_WEIGHTS, strict=False):
            here = weight * (_BEYOND_BREAK if self.breaks(end, word.start) else 1.0)
            weights[word.word] = max(weights.get(word.word, 0.0), here)
        return dict.fromkeys(self.lead, 1.0) | weights

    def breaks(self, start: int, end: int) -> bool:
        """Whether a comma or the like, or much space, is between two places."""
        return end - start > _FAR or not _BREAKS.isdisjoint(self.text[start:end])
