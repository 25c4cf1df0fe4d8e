"""Texts in compatibility form whose parts can be found again in what was sent."""

import unicodedata
from typing import NamedTuple, Self

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_MAX_CLUSTER = 16  # characters that are composed to one
_PLAIN = str.maketrans(
    dict.fromkeys(
        "\N{MINUS SIGN}\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{EN DASH}\N{EM DASH}\N{HORIZONTAL BAR}", "-"
    )
    | dict.fromkeys("\N{MULTIPLICATION SIGN}\N{MULTIPLICATION X}", "x")
    | {"\N{FRACTION SLASH}": "/"}
)
_QUOTES = str.maketrans(dict.fromkeys("\N{DOUBLE PRIME}\N{RIGHT DOUBLE QUOTATION MARK}", '"'))


class Spot(NamedTuple):
    """A part of a text as it was sent: the characters from `start` up to `end`, which is after the last one."""

    words: str
    start: int
    end: int


class SourceText:
    """A text: `text` is its compatibility form (Unicode NFKC) without invisible characters, with ASCII digits.

    Dashes are hyphens and multiplication signs an x; fractions and exponents that have characters of their own are written with
    `/` and `^`.
    """

    def __init__(self, raw: str, text: str, places: list[tuple[int, int]] | None) -> None:
        self.text = text
        self._raw = raw
        self._places = places

    @classmethod
    def of(cls, raw: str) -> Self:
        """The text that was sent as `raw`."""
        if raw.isascii() and raw.isprintable():
            return cls(raw, raw, None)
        parts: list[str] = []
        places: list[tuple[int, int]] = []
        before = ""
        start = 0
        while start < len(raw):
            end = _end_of_cluster(raw, start)
            part = _compatible(raw[start:end], before)
            if part:
                parts.append(part)
                places.extend([(start, end)] * len(part))
                before = part[-1]
            start = end
        return cls(raw, "".join(parts), places)

    def spot(self, start: int, end: int) -> Spot:
        """Where a part of `text`, which is not empty, comes from."""
        if self._places is not None:
            start, end = self._places[start][0], self._places[end - 1][1]
        return Spot(self._raw[start:end], start, end)


def _end_of_cluster(raw: str, start: int) -> int:
    end = start + 1
    limit = min(len(raw), start + _MAX_CLUSTER)
    while end < limit and unicodedata.combining(raw[end]):
        end += 1
    return end


def _compatible(cluster: str, before: str) -> str:
    first = cluster[0]
    if first.isspace():
        return " "
    if unicodedata.category(first) in _INVISIBLE:
        return ""
    if (digit := unicodedata.decimal(first, None)) is not None:
        return str(digit)
    part = unicodedata.normalize("NFKC", cluster.translate(_QUOTES)).translate(_PLAIN)
    form = unicodedata.decomposition(first)
    if before.isdigit() and form.startswith("<fraction>"):
        return f" {part}"
    if before.isdigit() and form.startswith("<super>") and part[0] in "-+0123456789":
        return f"^{part}"
    return part
