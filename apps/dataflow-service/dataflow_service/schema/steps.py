"""Plans: steps in order, their text and their checksum. The same models and schema make the same text and checksum."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from pydantic import TypeAdapter

VALIDATE_TEXTS = "validate texts"
"""The action of a step that reads whether a column has declared texts only."""

VALIDATE_FOREIGN_KEY = "validate foreign key"
"""The action of a step that reads whether each row refers to one that is there."""


DROP_MARK = "drop mark of deleted rows"
"""The action of a step that reads whether rows are marked as deleted, and drops the column that marks them if none is."""


class Transaction(StrEnum):
    """How a step runs."""

    SHARED = "shared"
    """In one transaction with its neighbours of this kind: it is short."""
    OWN = "own"
    """In a transaction of its own, so that it holds no lock of another step while it reads or rewrites a table."""
    NONE = "none"
    """Outside a transaction; it is repeated from its start when it was interrupted."""


class Work(StrEnum):
    """What a step costs."""

    CATALOGUE = "catalogue"
    """Independent of the number of rows."""
    SCAN = "scan"
    """Reads the whole table."""
    REWRITE = "rewrite"
    """Writes the whole table again, or many of its rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change. `statement` is its SQL, `lock` what it locks the table with, `undo` the change back.

    `index` names the index that it is about, `columns` those whose values it depends on. `destructive`: data is lost. A destructive step without `undo` cannot be rolled back.
    """

    action: str
    table: str
    statement: str
    lock: str
    index: str = ""
    columns: tuple[str, ...] = ()
    transaction: Transaction = Transaction.SHARED
    work: Work = Work.CATALOGUE
    destructive: bool = False
    undo: "Step | None" = None


type Steps = tuple[Step, ...]

_STEPS: TypeAdapter[Steps] = TypeAdapter(Steps)
_MODES = {
    Transaction.SHARED: "in a transaction",
    Transaction.OWN: "in a transaction of its own",
    Transaction.NONE: "outside a transaction",
}
_WORKS = {Work.CATALOGUE: "", Work.SCAN: ", reads the table", Work.REWRITE: ", rewrites rows"}


def dump(steps: Steps) -> str:
    """Return the JSON text of steps; equal steps have equal text."""
    return json.dumps([asdict(step) for step in steps], ensure_ascii=False, sort_keys=True)


def load(text: str) -> Steps:
    """Return the steps that `dump` wrote."""
    return _STEPS.validate_json(text)


def checksum(steps: Steps) -> str:
    """Return what identifies the steps, those that undo them included: SHA-256 in hexadecimal digits."""
    return hashlib.sha256(dump(steps).encode()).hexdigest()


def text(steps: Sequence[Step], costs: Callable[[Step], str] = lambda _: "") -> str:
    """Return the steps as SQL, each below a comment that describes it and ends with what `costs` returns."""
    return "\n".join(_lines(steps, costs))


def _lines(steps: Sequence[Step], costs: Callable[[Step], str]) -> Iterator[str]:
    for number, step in enumerate(steps, 1):
        work = f"{_MODES[step.transaction]}{_WORKS[step.work]}{costs(step)}"
        yield f"-- {number}. {step.action}: lock {step.lock}, {work}{', DESTRUCTIVE' if step.destructive else ''}"
        yield f"{step.statement};"
