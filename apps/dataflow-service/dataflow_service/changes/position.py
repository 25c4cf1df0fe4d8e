"""Places in the feed of changes."""

import re
from dataclasses import dataclass
from typing import Self

_TEXT = re.compile(r"(0|[1-9][0-9]{0,19})-(0|[1-9][0-9]{0,18})", re.ASCII)
_MAX_XID = 2**64 - 1
_MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the feed: the transaction (PostgreSQL's xid8) and the id of a change. Its text is `<xid>-<id>`."""

    xid: int
    id: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the position that a text names; raises ValueError."""
        match = _TEXT.fullmatch(text)
        if match is None or int(match[1]) > _MAX_XID or int(match[2]) > _MAX_ID:
            raise ValueError(f"{text!r:.60} is no position of the feed of changes.")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.xid}-{self.id}"


START = Position(0, 0)
"""Before the first change."""
