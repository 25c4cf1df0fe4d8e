"""Facts about an image, and their comparison."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

_LINE = 40

Facts = Mapping[str, Mapping[str, str]]
"""Point -> key -> value: `{"listening ports": {"0.0.0.0:8000": "tcp"}}`."""


class Verdict(StrEnum):
    """The verdict on a point."""

    EQUAL = "equal"
    ALLOWED = "allowed"
    DIFFERENT = "different"
    MEASURED = "measured"


@dataclass(frozen=True)
class Difference:
    """One key of a point whose values differ; None if an image lacks the key. `reason` is why that is allowed."""

    key: str
    left: str | None
    right: str | None
    reason: str | None = None


@dataclass(frozen=True)
class Row:
    """One point of the comparison: a summary of each side, every difference, and for numbers the ratio left / right."""

    point: str
    left: str
    right: str
    verdict: Verdict
    differences: tuple[Difference, ...] = ()
    ratio: float | None = None


@dataclass(frozen=True)
class Measure:
    """A number that both images have, in `unit`. It is equal within `share` of the right one or within `margin`.

    A time is only shown (`share` is None): it says as much of the machine's other work as of the image.
    """

    point: str
    unit: str
    share: float | None = None
    margin: float = 0

    def compare(self, left: float | None, right: float | None) -> Row:
        """Return the row; None is a number that could not be measured."""
        ratio = round(left / right, 3) if left and right else None
        return Row(self.point, self._show(left), self._show(right), self._verdict(left, right), ratio=ratio)

    def _verdict(self, left: float | None, right: float | None) -> Verdict:
        if left is None or right is None:
            return Verdict.EQUAL if left is right else Verdict.DIFFERENT
        if self.share is None:
            return Verdict.MEASURED
        within = abs(left - right) <= max(self.share * right, self.margin)
        return Verdict.EQUAL if within else Verdict.DIFFERENT

    def _show(self, value: float | None) -> str:
        return "none" if value is None else f"{value:.4g} {self.unit}"


def differences(left: Mapping[str, str], right: Mapping[str, str]) -> Iterator[Difference]:
    """Return each key whose values differ, in order."""
    for key in sorted(left.keys() | right.keys()):
        if left.get(key) != right.get(key):
            yield Difference(key, left.get(key), right.get(key))


def in_short(values: Mapping[str, str]) -> str:
    """Return one line for a point's values: the values if they are few, else their number and a digest."""
    if not values:
        return "none"
    text = ", ".join(_entry(key, value) for key, value in sorted(values.items()))
    if len(text) <= _LINE:
        return text
    return f"{len(values)}, {sha256(text.encode()).hexdigest()[:12]}"


def verdict(found: Sequence[Difference]) -> Verdict:
    """Return the verdict on a point with these differences."""
    if not found:
        return Verdict.EQUAL
    return Verdict.ALLOWED if all(item.reason for item in found) else Verdict.DIFFERENT


def _entry(key: str, value: str) -> str:
    return f"{key} {value}".strip()
