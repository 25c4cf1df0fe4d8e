"""Questions to the language model, its choices, and who asks."""

from dataclasses import dataclass
from enum import StrEnum

from classification_service.llm.amounts import Amount


@dataclass(frozen=True, slots=True)
class Option:
    """A code that a text may belong to; `path` has the titles from the root down to its own."""

    code: str
    path: tuple[str, ...]
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A text like the one in question whose code is known, by title."""

    text: str
    title: str


@dataclass(frozen=True, slots=True)
class Question:
    """Which of the candidates a text belongs to.

    `scope` names what else an answer depends on (taxonomy, version, labels); without it, the choice is not kept.
    """

    scope: str
    text: str
    candidates: tuple[Option, ...]
    neighbours: tuple[Neighbour, ...] = ()


class Outcome(StrEnum):
    """How a question ended. All but `answered` leave the local answer as it is."""

    ANSWERED = "answered"
    NONE_FITS = "none-fits"
    REFUSED = "refused"
    CUT_SHORT = "cut-short"
    INVALID = "invalid"
    RATE_LIMITED = "rate-limited"
    SERVER_ERROR = "server-error"
    REJECTED = "rejected"
    UNAUTHORIZED = "unauthorized"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    BUDGET = "budget"
    STORE_AWAY = "store-away"
    PAUSED = "paused"
    LATE = "late"
    MISSING = "missing"
    CANCELLED = "cancelled"
    FAILED = "failed"


DECIDED = frozenset({Outcome.ANSWERED, Outcome.NONE_FITS})
"""Outcomes that the same question would have again."""

HEALTHY = frozenset({Outcome.ANSWERED, Outcome.NONE_FITS, Outcome.REFUSED, Outcome.CUT_SHORT})
"""Outcomes of a server that does its job."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The language model's answer: `position` of the candidate, None where it chose none of them."""

    outcome: Outcome
    position: int | None = None

    @classmethod
    def of(cls, number: int) -> "Choice":
        """The choice of the candidate with that number, from 1; 0 means none of them."""
        return cls(Outcome.ANSWERED, number - 1) if number else cls(Outcome.NONE_FITS)

    @property
    def number(self) -> int:
        """The number of the candidate, from 1; 0 where none was chosen."""
        return 0 if self.position is None else self.position + 1


@dataclass(frozen=True, slots=True)
class Origin:
    """What a call is made for: `request`, or `job:ID`; and the subject of the token that asked for it."""

    name: str = "request"
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """A line of the ledger for a call that may be made."""

    id: int
    amount: Amount
