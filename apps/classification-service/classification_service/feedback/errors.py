"""What can be wrong with feedback."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UnknownLabel:
    """An item whose code the taxonomy does not have."""

    index: int
    code: str


@dataclass(frozen=True, slots=True)
class DecidedLabel:
    """An item whose text somebody else has decided, and the code that they chose."""

    index: int
    code: str
    decided_by: str


class AlreadyDecidedError(Exception):
    """Somebody else has decided some of the texts; nothing of the request counts."""

    def __init__(self, labels: Sequence[DecidedLabel]) -> None:
        codes = ", ".join(dict.fromkeys(label.code for label in labels))
        super().__init__(f"Somebody else has decided already, for {codes}. Nothing of this request counts.")
        self.labels = tuple(labels)


class UnknownLabelsError(Exception):
    """Codes of some items are not there; nothing of the request counts."""

    def __init__(self, name: str, version: str, labels: Sequence[UnknownLabel]) -> None:
        codes = ", ".join(repr(label.code) for label in labels)
        super().__init__(f"{name} {version} has no code {codes}. Nothing of this request counts.")
        self.labels = tuple(labels)
