"""Classification of CSV files."""

import csv
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import batched
from pathlib import Path
from typing import TextIO

from classification_service.app import open_classifier
from classification_service.classify.classifier import Classifier
from classification_service.classify.schemas import LONGEST_TEXT
from classification_service.errors import ClassificationServiceError
from classification_service.progress import Progress
from classification_service.settings import Settings
from classification_service.taxonomies.service import Taxonomy, load_starters
from nexus_chassis.problems import Problem
from nexus_chassis.settings import load

_CHUNK = 1000
_RESULTS = ("code", "level", "title", "confidence", "error")

type Row = dict[str, str]


class FileError(ClassificationServiceError):
    """The CSV file cannot be classified as it is."""


def classify_file(source: Path, target: Path | None, taxonomy_name: str, text_column: str) -> None:
    """Write the rows of `source` with columns TAXONOMY_code, _level, _title, _confidence and _error added.

    The target file appears only when all is done; None means standard output. Raises FileError.
    """
    taxonomies = load_starters()
    try:
        taxonomy = taxonomies.get(taxonomy_name)
    except Problem as problem:
        raise FileError(problem.detail) from None
    added = [f"{taxonomy.name}_{name}" for name in _RESULTS]
    columns, total = _inspect(source, text_column, added)
    classifier = open_classifier(load(Settings), taxonomies)
    failed = 0
    with _writing(target) as out, Progress(total, "rows") as progress:
        writer = csv.DictWriter(out, [*columns, *added], lineterminator="\n")
        writer.writeheader()
        for chunk in batched(_rows(source), _CHUNK, strict=False):
            failed += _classify_chunk(classifier, taxonomy, list(chunk), text_column)
            writer.writerows(chunk)
            progress.advance(len(chunk))
    if failed:
        sys.stderr.write(f"{failed} of {total} rows have no code; the column {added[-1]} says why.\n")


def _inspect(source: Path, text_column: str, added: list[str]) -> tuple[list[str], int]:
    """The columns and the number of rows of a file that can be classified."""
    columns = _columns(source)
    if text_column not in columns:
        raise FileError(
            f"{source} has no column {text_column!r}. It has: {', '.join(columns) or 'no columns at all'}. "
            "Name the column with the product names by --text-column."
        )
    if taken := [name for name in added if name in columns]:
        raise FileError(f"{source} has the columns {', '.join(taken)} already. Rename or remove them first.")
    return columns, sum(1 for _ in _rows(source))


def _columns(source: Path) -> list[str]:
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file), [])
    except OSError as error:
        raise FileError(f"{source} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise _not_utf8(source, error) from None


def _rows(source: Path) -> Iterator[Row]:
    with source.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, restval="")
        try:
            for row in reader:
                if None in row:
                    raise FileError(
                        f"{source}, line {reader.line_num}: the row has more cells than the header. Quote cells that have commas."
                    )
                yield row
        except UnicodeDecodeError as error:
            raise _not_utf8(source, error) from None
        except csv.Error as error:
            raise FileError(f"{source}, line {reader.line_num}: {error}.") from None


def _not_utf8(source: Path, error: UnicodeDecodeError) -> FileError:
    return FileError(
        f"{source} is not in UTF-8: byte {error.start} is {error.object[error.start]:#04x}. Save it as UTF-8."
    )


def _classify_chunk(classifier: Classifier, taxonomy: Taxonomy, rows: list[Row], text_column: str) -> int:
    """Fill in the results of the rows; gives the number of rows without a code."""
    good: list[Row] = []
    for row in rows:
        row.update(dict.fromkeys((f"{taxonomy.name}_{name}" for name in _RESULTS), ""))
        fault = _fault(row[text_column])
        row[f"{taxonomy.name}_error"] = fault
        if not fault:
            good.append(row)
    answers = classifier.classify(taxonomy, [row[text_column] for row in good], top_k=1) if good else []
    for row, answer in zip(good, answers, strict=True):
        values = (answer.node.code, answer.node.level, answer.node.title, f"{answer.confidence:.4f}")
        row.update({f"{taxonomy.name}_{name}": value for name, value in zip(_RESULTS, values, strict=False)})
    return len(rows) - len(good)


def _fault(text: str) -> str:
    if not text.strip():
        return "the text is empty"
    if len(text) > LONGEST_TEXT:
        return f"the text has {len(text)} characters; at most {LONGEST_TEXT} are read"
    return ""


@contextmanager
def _writing(target: Path | None) -> Iterator[TextIO]:
    if target is None:
        yield sys.stdout
        return
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(target)
    except OSError as error:
        raise FileError(f"{target} cannot be written: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)
