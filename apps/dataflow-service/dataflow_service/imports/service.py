"""Writes the parts of imports, each once."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow_service.bulk.progress import Progress
from dataflow_service.imports import repository
from dataflow_service.imports.errors import PartDiffersError, PartRunningError
from dataflow_service.imports.models import Import, Part
from dataflow_service.records.writer import Writing
from nexus_chassis.unit_of_work import Database

if TYPE_CHECKING:
    from hashlib import _Hash


@dataclass(frozen=True, slots=True)
class PartToWrite:
    """A part as it is sent. `write` writes its rows in a transaction, reading `parts` of the body to their end.

    `progress` and `digest` are of what has been read.
    """

    of: Import
    part: int
    sent_as: str
    progress: Progress
    digest: "_Hash"
    parts: AsyncIterator[bytes]
    write: Callable[[Writing], Awaitable[Mapping[str, int]]]


@dataclass(frozen=True, slots=True)
class ImportService:
    """The imports of all models."""

    database: Database

    async def add(self, sent: PartToWrite, writing: Writing) -> tuple[Part, bool]:
        """Write a part and record it, in one transaction, unless it is in; returns it and whether it is new.

        Raises:
            PartRunningError: Another request writes it.
            PartDiffersError: It is in, and was sent otherwise.
        """
        async with writing() as rows:
            if not await repository.lock(rows.connection, sent.of, sent.part):
                raise PartRunningError(sent.part)
            found = await repository.find(rows.connection, sent.of, sent.part)
            if found is None:
                counts = await sent.write(lambda: nullcontext(rows))
                new = await repository.store(
                    rows.connection,
                    sent.of,
                    sent.part,
                    sent_as=sent.sent_as,
                    size=sent.progress.size,
                    sha256=sent.digest.digest(),
                    counts=counts,
                )
                return new, True
        async for _ in sent.parts:  # without a transaction: only at its end is it known whether it is the same
            pass
        if (sent.sent_as, sent.digest.digest()) != (found.sent_as, found.sha256):
            raise PartDiffersError(sent.part)
        return found, False

    async def page(self, of: Import, *, after: int, limit: int) -> tuple[Sequence[Part], int | None]:
        """Return parts that are in, those after a number, and the `after` of the next page, None on the last."""
        async with self.database.read() as connection:
            parts = await repository.read_page(connection, of, after, limit + 1)
        page = parts[:limit]
        return page, page[-1].part if len(parts) > limit else None
