"""Imports: a file of a known format becomes a version of a taxonomy, whole or not at all."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from itertools import batched
from typing import BinaryIO

from classification_service.taxonomies import repository
from classification_service.taxonomies.errors import ImportRunningError, VersionExistsError
from classification_service.taxonomies.importers.detection import open_reader
from classification_service.taxonomies.importers.records import Record
from classification_service.taxonomies.importers.tree import Tree, level_counts
from classification_service.taxonomies.models import ImportedVersion, NewVersion
from nexus_chassis.unit_of_work import Database

_BATCH = 2000

type OnProgress = Callable[[int], None]
"""Called with the number of records that were read since the last call."""


async def import_file(
    database: Database, file: BinaryIO, new: NewVersion, imported_by: str, on_progress: OnProgress = lambda _: None
) -> ImportedVersion:
    """Store the file as a version of a taxonomy, in one transaction; returns what was stored.

    Raises TaxonomyFileError, VersionExistsError, ImportRunningError.
    """
    reader = await asyncio.to_thread(open_reader, file, new.name, new.language)
    tree = Tree(new.name)
    async with database.unit_of_work() as work:
        if not await repository.lock_imports(work.connection):
            raise ImportRunningError
        taxonomy = await repository.create(work.connection, new, reader.format, imported_by)
        if taxonomy is None:
            raise VersionExistsError(new.name, new.version)
        position = 0
        async with aclosing(_in_thread(tree.checked(reader.records()))) as batches:
            async for batch in batches:
                position = await repository.add(work.connection, taxonomy, position, batch)
                on_progress(len(batch))
        levels = level_counts(tree, new.name)
        await repository.finish(work.connection, taxonomy, levels)
    return ImportedVersion(new.name, new.version, new.language, reader.format, position, levels)


async def _in_thread(records: Iterator[Record]) -> AsyncGenerator[tuple[Record, ...]]:
    """The records in batches, each read in a thread: the event loop serves other requests meanwhile."""
    batches = batched(records, _BATCH, strict=False)
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        yield batch
