"""Packs an imported version from PostgreSQL into files, once for all worker processes of a container."""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from classification_service.taxonomies import repository
from classification_service.taxonomies.errors import DeletedVersionError
from classification_service.taxonomies.importers.tree import LEVELS
from classification_service.taxonomies.models import NO_PARENT, PackedRow, StoredVersion
from classification_service.taxonomies.packed import CODE_BYTES
from nexus_chassis.unit_of_work import Database

_PAGE = 5000


def files_folder() -> Path:
    """Where the files are: a folder of this user's own under the one for temporary files."""
    folder = Path(tempfile.gettempdir()) / f"nexus-taxonomies-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def remove(key: UUID, encoder: str) -> None:
    """Delete a version's files; those who have them mapped keep what they have."""
    shutil.rmtree(_folder_of(key, encoder), ignore_errors=True)


def _folder_of(key: UUID, encoder: str) -> Path:
    return files_folder() / f"{key}-{encoder}"


async def pack(database: Database, version: StoredVersion, encoder: str, dimension: int) -> Path:
    """The folder with a version's files, which are written unless they are there.

    Raises OSError where there is no room, DatabaseUnavailableError, DeletedVersionError.
    """

    async def write(folder: Path) -> None:
        starts, texts = await _write_codes(database, version, folder)
        await _write_vectors(_Wanted(database, version, encoder, dimension), starts, texts, folder)

    return await _packed(version.key, encoder, write)


async def pack_vectors(database: Database, version: StoredVersion, encoder: str, dimension: int, base: Path) -> Path:
    """The folder with the vectors of a version by another encoder than that of the folder `base`; raises the same as `pack`."""

    async def write(folder: Path) -> None:
        starts = np.load(base / "starts.npy")
        texts = len(np.load(base / "scales.npy", mmap_mode="r"))
        await _write_vectors(_Wanted(database, version, encoder, dimension), starts, texts, folder)

    return await _packed(version.key, encoder, write)


async def _packed(key: UUID, encoder: str, write: Callable[[Path], Awaitable[None]]) -> Path:
    target = _folder_of(key, encoder)
    async with _alone(target):
        if not target.exists():
            with _unfinished(target) as folder:
                await write(folder)
                folder.rename(target)
    return target


@asynccontextmanager
async def _alone(target: Path) -> AsyncIterator[None]:
    """Only one process of the container packs a version; the others wait, and find it done."""
    with target.with_name(f"{target.name}.lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    folder = target.with_name(f"{target.name}.part")
    shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _write_codes(database: Database, version: StoredVersion, folder: Path) -> tuple[NDArray[np.int32], int]:
    """Write all but the vectors; returns the number of the first text of each code, and the number of texts."""
    rows = _Rows(version)
    for first in range(0, version.codes, _PAGE):
        async with database.read() as connection:
            page = await repository.packed_rows(connection, version.id, first, _PAGE)
        rows.add(first, page)
    texts = await asyncio.to_thread(rows.save, folder)
    return rows.starts, texts


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Whose vectors of which version."""

    database: Database
    version: StoredVersion
    encoder: str
    dimension: int


async def _write_vectors(of: _Wanted, starts: NDArray[np.int32], texts: int, folder: Path) -> None:
    version, dimension = of.version, of.dimension
    vectors = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.int8, (texts, dimension))
    scales = np.lib.format.open_memmap(folder / "scales.npy", "w+", np.float32, (texts,))
    first = 0
    while first < version.codes:
        async with of.database.read() as connection:
            chunk = await repository.read_chunk(connection, version.id, of.encoder, first)
        if chunk is None:
            raise DeletedVersionError(version.name, version.version)
        values = np.frombuffer(chunk.vectors, np.int8).reshape(-1, dimension)
        place = slice(int(starts[first]), int(starts[first]) + len(values))
        vectors[place], scales[place] = values, np.frombuffer(chunk.scales, np.float32)
        first += chunk.codes


class _Rows:
    """The arrays of a version but for the vectors, as they fill."""

    def __init__(self, version: StoredVersion) -> None:
        self._numbers = {level: number for number, level in enumerate(LEVELS[version.name])}
        self._codes = np.zeros(version.codes, f"S{CODE_BYTES}")
        self._above = np.zeros(version.codes, f"S{CODE_BYTES}")
        self._levels = np.zeros(version.codes, np.uint8)
        self._texts = np.zeros(version.codes, np.int64)
        self._sizes = np.zeros(version.codes, np.int64)
        self._titles = bytearray()
        self.starts = np.zeros(version.codes, np.int32)

    def add(self, first: int, page: list[PackedRow]) -> None:
        place = slice(first, first + len(page))
        self._codes[place] = [row.code.encode() for row in page]
        self._above[place] = [row.parent.encode() for row in page]
        self._levels[place] = [self._numbers[row.level] for row in page]
        self._texts[place] = [row.texts for row in page]
        titles = [row.title.encode() for row in page]
        self._sizes[place] = [len(title) for title in titles]
        self._titles += b"".join(titles)

    def save(self, folder: Path) -> int:
        """Write the arrays; returns the number of texts."""
        order = np.argsort(self._codes)
        places = np.searchsorted(self._codes, self._above, sorter=order)
        parents = np.where(self._above == b"", NO_PARENT, order[np.minimum(places, len(order) - 1)])
        self.starts = np.concatenate(([0], np.cumsum(self._texts)[:-1])).astype(np.int32)
        arrays = {
            "codes": self._codes,
            "levels": self._levels,
            "parents": parents.astype(np.int32),
            "starts": self.starts,
            "titles": np.frombuffer(self._titles, np.uint8),
            "offsets": np.concatenate(([0], np.cumsum(self._sizes))),
        }
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)
        return int(self._texts.sum())
