"""What a search looks for, and where its pages begin."""

import re
from dataclasses import dataclass
from typing import Self

from classification_service.taxonomies.models import FoundCode, Node

MAX_WORDS = 16
_CODE = re.compile(r"[A-Za-z]{0,4}[0-9]{1,8}")
PLACE = r"^[01]-[0-9]{1,6}-[A-Z0-9]{1,20}$"
"""What places look like in addresses."""


@dataclass(frozen=True, slots=True)
class SearchPlace:
    """Where a code is in the order of a search: by rank, then by length, then by code."""

    rank: int
    length: int
    code: str

    def __str__(self) -> str:
        return f"{self.rank}-{self.length}-{self.code}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The place that a text names, which is one as of PLACE."""
        rank, length, code = text.split("-")
        return cls(int(rank), int(length), code)

    def key(self) -> tuple[int, int, str]:
        """What places are ordered by."""
        return (self.rank, self.length, self.code)


START = SearchPlace(-1, 0, "")
"""Before all places."""


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """The beginning of a code, empty where the text is none, and the words, as a tsquery of PostgreSQL."""

    prefix: str
    terms: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Self:
        """What a text looks for: codes that begin with it, and codes with a word that begins with each of its words."""
        stripped = text.strip()
        prefix = stripped.upper() if _CODE.fullmatch(stripped) else ""
        return cls(prefix, tuple(re.findall(r"\w+", text.casefold())[:MAX_WORDS]))

    @property
    def words(self) -> str:
        """The words as a tsquery."""
        return " & ".join(f"'{term}':*" for term in self.terms)

    def place_of(self, node: Node) -> SearchPlace | None:
        """Where a code is in the order; None where it is not found."""
        if self.prefix and node.code.startswith(self.prefix):
            return SearchPlace(0, 0, node.code)
        words = re.findall(r"\w+", " ".join(node.texts).casefold())
        if self.terms and all(any(word.startswith(term) for word in words) for term in self.terms):
            return SearchPlace(1, len(node.title), node.code)
        return None


def found(node: Node) -> FoundCode:
    """A code as lists have it."""
    return FoundCode(node.code, node.level, node.title)
