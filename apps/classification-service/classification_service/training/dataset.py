"""Labelled texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from classification_service.csv_reader import CsvFile
from classification_service.errors import ClassificationServiceError
from classification_service.taxonomies.errors import UnknownCodeError
from classification_service.taxonomies.models import Taxonomy

FEWEST = 10
"""Texts that a model can be trained on."""

_SHOWN_FAULTS = 5


class LabelsError(ClassificationServiceError):
    """The labelled rows cannot be trained on."""


@dataclass(frozen=True, slots=True)
class Example:
    """A text with its right code."""

    text: str
    code: str


def own_examples(taxonomy: Taxonomy) -> list[Example]:
    """The titles and examples of a taxonomy."""
    return [Example(text, node.code) for node in taxonomy.nodes for text in node.texts]


def read_examples(path: Path, taxonomy: Taxonomy) -> list[Example]:
    """The rows of a CSV file with the columns text and code; raises LabelsError, CsvError."""
    file = CsvFile(path)
    if missing := {"text", "code"} - set(file.columns):
        raise LabelsError(
            f"{path} lacks the column {' and '.join(sorted(missing))}. "
            f"It has: {', '.join(file.columns) or 'no columns at all'}."
        )
    numbered = [(line, row["text"].strip(), row["code"].strip()) for line, row in file.rows()]
    _check(path, numbered, taxonomy)
    return [Example(text, code) for _, text, code in numbered]


def _check(path: Path, numbered: Sequence[tuple[int, str, str]], taxonomy: Taxonomy) -> None:
    if not numbered:
        raise LabelsError(f"{path} cannot be trained on: it has no rows.")
    faults = [f"line {line}: the text is empty" for line, text, _ in numbered if not text]
    if unknown := [(line, code) for line, _, code in numbered if not has_code(taxonomy, code)]:
        faults += [
            f"line {line}: {taxonomy.name} {taxonomy.version} has no code {code!r}"
            for line, code in unknown[: _SHOWN_FAULTS + 1]
        ]
    if faults:
        more = f"; {len(faults) + max(len(unknown) - _SHOWN_FAULTS - 1, 0) - _SHOWN_FAULTS} more faults"
        shown = "; ".join(faults[:_SHOWN_FAULTS])
        raise LabelsError(f"{path} cannot be trained on: {shown}{more if len(faults) > _SHOWN_FAULTS else ''}.")


def has_code(taxonomy: Taxonomy, code: str) -> bool:
    """Whether a taxonomy has a code."""
    try:
        taxonomy.get(code)
    except UnknownCodeError:
        return False
    return True


def usable(taxonomy: Taxonomy, examples: Sequence[Example]) -> tuple[list[str], list[int]]:
    """The texts, and the positions of their codes, of the distinct examples whose codes are there.

    Raises LabelsError where there are too few.
    """
    known = {code: taxonomy.get(code) for code in {one.code for one in examples} if has_code(taxonomy, code)}
    distinct = dict.fromkeys((one.text.strip(), known[one.code]) for one in examples if one.code in known)
    found = [(text, position) for text, position in distinct if text]
    if len({text.casefold() for text, _ in found}) < FEWEST:
        raise LabelsError(
            f"A model needs {FEWEST} different labelled texts or more. There are {len(found)} with a text and a code of "
            f"{taxonomy.name} {taxonomy.version}, of {len(examples)} given. Label more."
        )
    return [text for text, _ in found], [position for _, position in found]
