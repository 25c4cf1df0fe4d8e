"""The command `import`."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from classification_service.encoder.encoder import SentenceEncoder
from classification_service.encoder.encoders import Encoders
from classification_service.encoder.languages import is_english
from classification_service.encoder.multilingual.encoder import MultilingualEncoder
from classification_service.errors import ClassificationServiceError
from classification_service.progress import Progress
from classification_service.taxonomies.embedding import Embedder
from classification_service.taxonomies.errors import NoDatabaseError, VersionExistsError
from classification_service.taxonomies.imports import import_file
from classification_service.taxonomies.models import ImportedVersion, NewVersion
from classification_service.taxonomies.starters import STARTER_VERSION
from nexus_chassis.errors import ConfigurationError, DatabaseUnavailableError
from nexus_chassis.postgres import open_database
from nexus_chassis.settings import PostgresSettings
from nexus_chassis.unit_of_work import Database
from nexus_chassis.worker_count import automatic_workers

if TYPE_CHECKING:
    from classification_service.settings import Settings


class ImportCommandError(ClassificationServiceError):
    """The file cannot be read, or the database is not there."""


def import_taxonomy(settings: "Settings", migrations: Path, path: Path, new: NewVersion) -> None:
    """Store the file as a version and compute its vectors, with all processors; running services then load it.

    Raises ImportCommandError, TaxonomyFileError, NoDatabaseError, VersionExistsError, ImportRunningError.
    """
    if settings.postgres is None:
        raise NoDatabaseError
    if new.version == STARTER_VERSION:
        raise VersionExistsError(new.name, new.version)
    try:
        asyncio.run(_import(settings, settings.postgres, migrations, path, new))
    except (ConfigurationError, DatabaseUnavailableError) as error:
        raise ImportCommandError(str(error)) from None


async def _import(
    settings: "Settings", postgres: PostgresSettings, migrations: Path, path: Path, new: NewVersion
) -> None:
    async with open_database(postgres, migrations) as database:
        if not database.opened:
            raise DatabaseUnavailableError(f"PostgreSQL at {postgres.postgres_url} does not answer.")
        imported = await _store(database, path, new)
        levels = ", ".join(f"{count} at the level {level}" for level, count in imported.levels.items())
        sys.stdout.write(f"Stored {new.name} {new.version} from {imported.format}: {imported.codes} codes, {levels}.\n")
        encoders = Encoders(SentenceEncoder(settings.encoder_dir, device=settings.device), MultilingualEncoder())
        embedder = Embedder(database, encoders, threads=automatic_workers())
        with Progress(imported.codes, "codes") as progress:
            await embedder.embed_first(progress.advance)
        if is_english(new.language):
            with Progress(imported.codes, "codes for texts in other languages") as progress:
                await embedder.embed_all(progress.advance)
        embedder.close()


async def _store(database: Database, path: Path, new: NewVersion) -> ImportedVersion:
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except OSError as error:
        raise ImportCommandError(f"{path} cannot be read: {error.strerror}.") from None
    with file:
        return await import_file(database, file, new, "command line")
