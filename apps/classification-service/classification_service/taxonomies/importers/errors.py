"""What can be wrong with the file of a taxonomy."""

from collections.abc import Sequence
from dataclasses import dataclass

from classification_service.errors import ClassificationServiceError


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a file: where it is, such as `line 7`, and what it is."""

    place: str
    detail: str

    def __str__(self) -> str:
        return f"{self.place}: {self.detail}" if self.place else self.detail


class TaxonomyFileError(ClassificationServiceError):
    """The file cannot be imported; nothing of it is stored. `faults` are the first that were found."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = tuple(faults)


def fault(place: str, detail: str) -> TaxonomyFileError:
    """The error for a file with one fault."""
    return TaxonomyFileError([Fault(place, detail)])
