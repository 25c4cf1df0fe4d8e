"""What the readers yield."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

MAX_TITLE = 1000
"""Characters of a title; official ones have fewer than 300."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A code. `place` is where the file has it."""

    place: str
    code: str
    level: str
    parent: str | None
    title: str
    definition: str = ""
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TermRecord:
    """A feature, a value or a unit of ETIM; `kind` is that of a feature, where the file has it here."""

    place: str
    code: str
    title: str
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class ClassFeatureRecord:
    """A feature of a class of ETIM, with the codes of its unit and of its values."""

    place: str
    class_code: str
    position: int
    feature: str
    kind: str | None
    unit: str | None
    values: tuple[str, ...]


type Record = NodeRecord | TermRecord | ClassFeatureRecord


class TaxonomyReader(Protocol):
    """A file of a known format; `format` names it."""

    format: str

    def records(self) -> Iterator[Record]:
        """The file's records in its order; raises TaxonomyFileError."""
        ...


def clean(text: str) -> str:
    """The text without control characters, with single spaces."""
    if text.isprintable() and "  " not in text:  # most texts, at a tenth of the cost
        return text.strip()
    return " ".join(_CONTROL.sub("", text).split())


def synonyms_of(*texts: str) -> tuple[str, ...]:
    """The distinct words in texts that separate them by semicolons, bars or line ends."""
    parts = (clean(part) for text in texts for part in re.split(r"[;|\n]", text))
    return tuple(dict.fromkeys(part[:MAX_TITLE] for part in parts if part))
