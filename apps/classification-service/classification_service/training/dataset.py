"""Labelled product names."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from classification_service.csv_reader import CsvFile
from classification_service.errors import ClassificationServiceError
from classification_service.taxonomies.starters import read_starter
from classification_service.training.features import normalised

LEVELS = {"segment": 2, "family": 4}
"""Digits of a UNSPSC code that are significant at each level that is trained."""

_CODE_DIGITS = 8
_VALIDATION_SHARE = 0.2
_SHOWN_FAULTS = 5


class LabelsError(ClassificationServiceError):
    """The labelled rows cannot be trained on."""


@dataclass(frozen=True)
class Row:
    """A product name with its UNSPSC code of eight digits."""

    text: str
    code: str

    def label(self, level: str) -> str | None:
        """The code at a level, None when the row's own code is less deep."""
        digits = LEVELS[level]
        if self.code[digits - 2 : digits] == "00":
            return None
        return self.code[:digits].ljust(_CODE_DIGITS, "0")


def starter_rows() -> list[Row]:
    """The titles and examples of the UNSPSC starter taxonomy."""
    return [Row(text, node.code) for node in read_starter("unspsc").nodes for text in node.texts]


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV file with the columns text and code; raises LabelsError, CsvError."""
    file = CsvFile(path)
    if missing := {"text", "code"} - set(file.columns):
        raise LabelsError(
            f"{path} lacks the column {' and '.join(sorted(missing))}. "
            f"It has: {', '.join(file.columns) or 'no columns at all'}."
        )
    numbered = [(line, row["text"], row["code"]) for line, row in file.rows()]
    _check(path, numbered)
    return [Row(text, code) for _, text, code in numbered]


def _check(path: Path, numbered: list[tuple[int, str, str]]) -> None:
    faults = [f"line {line}: the text is empty" for line, text, _ in numbered if not text.strip()]
    faults += [
        f"line {line}: {code!r} is not a UNSPSC code of eight digits"
        for line, _, code in numbered
        if not (len(code) == _CODE_DIGITS and code.isascii() and code.isdigit() and code[:2] != "00")
    ]
    if not numbered:
        faults = ["it has no rows"]
    if faults:
        more = f" and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
        raise LabelsError(f"{path} cannot be trained on: {'; '.join(faults[:_SHOWN_FAULTS])}{more}.")


def split(rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """(training, validation) rows, about four to one; the same text is never on both sides."""
    training: list[Row] = []
    validation: list[Row] = []
    for row in rows:
        digest = hashlib.sha256(normalised(row.text).encode()).digest()
        (validation if digest[0] < _VALIDATION_SHARE * 256 else training).append(row)
    return training, validation


def labels(rows: Iterable[Row], level: str) -> list[str]:
    """The codes that occur at a level, sorted."""
    return sorted({label for row in rows if (label := row.label(level)) is not None})
