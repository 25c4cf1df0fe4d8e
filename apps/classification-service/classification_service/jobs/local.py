"""The work of a job by one process, from a file to a file, without a database."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from classification_service.errors import ClassificationServiceError
from classification_service.jobs import chunks
from classification_service.jobs.errors import TableFileError
from classification_service.jobs.models import Classify, Format, JobOptions, Layout, Outcome, Purpose, Row
from classification_service.jobs.tables.reading import Table, open_table
from classification_service.jobs.tables.writing import MEDIA_TYPES, open_writer
from classification_service.progress import Progress

_MAX_KNOWN = 200_000
"""Answers that are remembered, so that a text which comes again is not classified again: some 80 MB."""

type Answered = AsyncIterator[tuple[list[Row], list[Outcome]]]


class FileError(ClassificationServiceError):
    """The file cannot be read or written."""


@contextmanager
def open_source(path: Path, options: JobOptions) -> Iterator[Table]:
    """Context manager of the table in a file; raises FileError."""
    try:
        with path.open("rb") as file:
            yield open_table(file, options.mapping.names, options.reading)
    except TableFileError as error:
        raise FileError(f"{path}: {error}") from None
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}.") from None


def format_of(target: Path | None, layout: Layout) -> Format:
    """The format that a target's name ends with, else that of the source; raises FileError for XLSX without a target."""
    ending = "" if target is None else target.suffix.removeprefix(".").lower()
    if ending in MEDIA_TYPES:
        return ending
    if target is None and layout.format == "xlsx":
        raise FileError("Results as XLSX need a file. Name one by --output, which may end in .csv or .jsonl as well.")
    return layout.format


async def classify_table(table: Table, target: Path | None, options: JobOptions, answered: Answered) -> None:
    """Write the rows with their results to a file, which appears when all is done; None is standard output.

    `answered` are the chunks of all rows in their order, each with its outcomes.
    """
    total = await asyncio.to_thread(lambda: sum(1 for _ in table.rows()))
    writer = open_writer(format_of(target, table.layout), table.layout, options.result_names)
    failed = 0
    with _writing(target) as out, Progress(total, "rows") as progress:
        out.write(writer.head())
        async for rows, outcomes in answered:
            out.write(writer.rows(rows, outcomes))
            failed += sum(1 for outcome in outcomes if outcome.error)
            progress.advance(len(rows))
        out.write(writer.end())
    if failed:
        name = f"{options.taxonomy}_error"
        sys.stderr.write(f"{failed} of {total} rows have no code; the column {name} says why.\n")


class ChunkClassifier:
    """Classifies the chunks of a table in this process, for a tenant."""

    def __init__(self, layout: Layout, options: JobOptions, classify: Classify, tenant: str) -> None:
        self._layout = layout
        self._options = options
        self._classify = classify
        self._purpose = Purpose("command", tenant=tenant)
        self._known: dict[bytes, Outcome] = {}

    async def answered(self, rows: Iterable[Row]) -> AsyncIterator[tuple[list[Row], list[Outcome]]]:
        """The rows in chunks, each with its outcomes."""
        for chunk in chunks.cut(rows):
            yield chunk, await self.outcomes(chunk)

    async def outcomes(self, rows: Sequence[Row]) -> list[Outcome]:
        """What is found for each row of a chunk."""
        questions = chunks.questions(rows, self._layout, self._options.mapping)
        known = {digest: self._known[digest] for digest in questions.products if digest in self._known}
        fresh: dict[bytes, Outcome] = {}
        async for portion in chunks.ask(self._classify, self._options, self._purpose, questions.without(known)):
            fresh |= portion
        if len(self._known) < _MAX_KNOWN:
            self._known.update(fresh)
        return questions.answered(known | fresh)


@contextmanager
def _writing(target: Path | None) -> Iterator[BinaryIO]:
    if target is None:
        yield sys.stdout.buffer
        return
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(target)
    except OSError as error:
        raise FileError(f"{target} cannot be written: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)
