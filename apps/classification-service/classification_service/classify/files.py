"""Classification of CSV files."""

import asyncio
import csv
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import batched
from pathlib import Path
from typing import TextIO

from classification_service.classify.classifier import Classifier, open_classifier
from classification_service.classify.text import MAX_TEXT, has_content, normalise
from classification_service.csv_reader import CsvFile, Row
from classification_service.errors import ClassificationServiceError
from classification_service.progress import Progress
from classification_service.settings import MIGRATIONS, Settings
from classification_service.taxonomies.following import Follower, Wanted
from classification_service.taxonomies.models import Taxonomy
from classification_service.taxonomies.service import Taxonomies, load_starters
from nexus_chassis.errors import ConfigurationError, DatabaseUnavailableError
from nexus_chassis.postgres import open_database
from nexus_chassis.settings import PostgresSettings, load

_CHUNK = 1000
_RESULTS = ("code", "level", "title", "confidence", "error")


class FileError(ClassificationServiceError):
    """The CSV file cannot be classified as it is, or not against that version."""


def classify_file(source: Path, target: Path | None, wanted: Wanted, text_column: str) -> None:
    """Write the rows of `source` with columns TAXONOMY_code, _level, _title, _confidence and _error added.

    The target file has the delimiter of the source, and appears only when all is done; None means standard output.
    Raises FileError, CsvError, UnknownTaxonomyError.
    """
    settings = load(Settings)
    name, version = wanted
    taxonomies = load_starters()
    taxonomies.get(name)
    added = [f"{name}_{column}" for column in _RESULTS]
    file = CsvFile(source)
    _check_columns(file, text_column, added)
    total = sum(1 for _ in file.rows())
    classifier = open_classifier(settings, taxonomies)
    if settings.postgres is not None:
        asyncio.run(_load_imported(settings.postgres, taxonomies, classifier, wanted))
    taxonomy = taxonomies.get(name, version)
    failed = 0
    with _writing(target) as out, Progress(total, "rows") as progress:
        writer = csv.DictWriter(out, [*file.columns, *added], delimiter=file.delimiter, lineterminator="\n")
        writer.writeheader()
        for chunk in batched((row for _, row in file.rows()), _CHUNK, strict=False):
            failed += _classify_chunk(classifier, taxonomy, list(chunk), text_column)
            writer.writerows(chunk)
            progress.advance(len(chunk))
    if failed:
        sys.stderr.write(f"{failed} of {total} rows have no code; the column {added[-1]} says why.\n")


async def _load_imported(
    postgres: PostgresSettings, taxonomies: Taxonomies, classifier: Classifier, wanted: Wanted
) -> None:
    encoder = classifier.encoder
    try:
        async with open_database(postgres, MIGRATIONS) as database:
            await Follower(database, taxonomies, encoder.name, encoder.dimension, classifier.add).follow(wanted)
    except (ConfigurationError, DatabaseUnavailableError) as error:
        raise FileError(str(error)) from None


def _check_columns(source: CsvFile, text_column: str, added: list[str]) -> None:
    if text_column not in source.columns:
        raise FileError(
            f"{source.path} has no column {text_column!r}. It has: {', '.join(source.columns) or 'no columns at all'}. "
            "Name the column with the product names by --text-column."
        )
    if taken := [name for name in added if name in source.columns]:
        raise FileError(f"{source.path} has the columns {', '.join(taken)} already. Rename or remove them first.")


def _classify_chunk(classifier: Classifier, taxonomy: Taxonomy, rows: list[Row], text_column: str) -> int:
    """Fill in the results of the rows; gives the number of rows without a code."""
    good: list[Row] = []
    for row in rows:
        row.update(dict.fromkeys((f"{taxonomy.name}_{name}" for name in _RESULTS), ""))
        fault = _fault(row[text_column])
        row[f"{taxonomy.name}_error"] = fault
        if not fault:
            good.append(row)
    answers = classifier.classify(taxonomy, [normalise(row[text_column]) for row in good], top_k=1) if good else []
    for row, answer in zip(good, answers, strict=True):
        values = (answer.node.code, answer.node.level, answer.node.title, f"{answer.confidence:.4f}")
        row.update({f"{taxonomy.name}_{name}": value for name, value in zip(_RESULTS, values, strict=False)})
    return len(rows) - len(good)


def _fault(text: str) -> str:
    if not has_content(normalise(text[: MAX_TEXT + 1])):
        return "the text has no letter and no digit" if text.strip() else "the text is empty"
    if len(text) > MAX_TEXT:
        return f"the text has {len(text)} characters; at most {MAX_TEXT} are read"
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
