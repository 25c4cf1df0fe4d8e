"""The files of a model on a disk, once for all worker processes of a container."""

import asyncio
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from classification_service.model_registry import repository
from classification_service.model_registry.errors import DamagedModelError
from classification_service.model_registry.models import StoredModel
from nexus_chassis.unit_of_work import Database

_LOCK = ".lock"


def files_folder() -> Path:
    """Where the files are: a folder of this user's own under the one for temporary files."""
    folder = Path(tempfile.gettempdir()) / f"nexus-models-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@asynccontextmanager
async def files_of(database: Database, model: StoredModel) -> AsyncIterator[Path]:
    """Context manager of the folder with a model's files, which nobody deletes meanwhile.

    They are written unless they are there, and are compared with their digests. Raises DamagedModelError, OSError where there
    is no room, DatabaseUnavailableError.
    """
    folder = files_folder() / model.id
    async with _alone(folder):
        if not folder.exists():
            await _write(database, model, folder)
        try:
            await asyncio.to_thread(_compare, model, folder)
        except DamagedModelError:
            shutil.rmtree(folder, ignore_errors=True)  # what was damaged on the way is whole the next time
            raise
        yield folder


@asynccontextmanager
async def _alone(folder: Path) -> AsyncIterator[None]:
    """Only one process of the container writes, opens or deletes a model's files at a time."""
    with folder.with_name(f"{folder.name}{_LOCK}").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield


async def _write(database: Database, model: StoredModel, folder: Path) -> None:
    unfinished = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
    unfinished.mkdir()
    try:
        for number, file in enumerate(model.files):
            await _write_file(database, model.id, number, unfinished / file.name)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


async def _write_file(database: Database, model: str, number: int, path: Path) -> None:
    part = 0
    with path.open("wb") as file:
        while True:
            async with database.read() as connection:
                content = await repository.read_part(connection, model, number, part)
            if not content:
                return
            await asyncio.to_thread(file.write, content)
            part += 1


def _compare(model: StoredModel, folder: Path) -> None:
    for file in model.files:
        try:
            with (folder / file.name).open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
                size = content.tell()
        except FileNotFoundError:
            raise DamagedModelError(model.id, file.name, "it is not there") from None
        if size != file.size:
            raise DamagedModelError(model.id, file.name, f"it has {size} bytes instead of {file.size}")
        if found != file.sha256:
            raise DamagedModelError(model.id, file.name, f"its SHA-256 is {found} instead of {file.sha256}")


async def remove_others(kept: Collection[str]) -> None:
    """Delete the files of models that serve nobody any more; processes that have them mapped keep what they have."""
    for folder in [path for path in files_folder().iterdir() if path.is_dir() and path.suffix != ".part"]:
        if folder.name not in kept:
            async with _alone(folder):
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
