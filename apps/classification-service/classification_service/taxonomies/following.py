"""Keeps the taxonomies of a worker process as PostgreSQL has them: new versions and defaults, without a restart."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from classification_service.encoder.encoders import Encoders
from classification_service.encoder.packed_vectors import PackedVectors
from classification_service.taxonomies import repository
from classification_service.taxonomies.errors import DeletedVersionError
from classification_service.taxonomies.models import StoredVersion
from classification_service.taxonomies.packed import PackedTaxonomy, open_folder, vectors_in
from classification_service.taxonomies.packing import pack, pack_vectors, remove
from classification_service.taxonomies.service import Taxonomies
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError
from nexus_chassis.unit_of_work import Database

if TYPE_CHECKING:
    from uuid import UUID

POLL_SECONDS = 1.0
_log = logging.getLogger(__name__)

type OnLoaded = Callable[[PackedTaxonomy, PackedVectors, str], None]
"""Called in a thread for each version and encoder, whose name it gets; the first time before requests can name the version."""

type Wanted = tuple[str, str | None]
"""The name of a taxonomy and its version; None for the default."""


class Follower:
    """Loads each version once its vectors by the encoder for the language of its titles are complete.

    The multilingual vectors of English ones are loaded later. `followed` is True once all was looked at a first time.
    """

    def __init__(self, database: Database, taxonomies: Taxonomies, encoders: Encoders, on_loaded: OnLoaded) -> None:
        self._database = database
        self._taxonomies = taxonomies
        self._encoders = encoders
        self._on_loaded = on_loaded
        self._loaded: dict[UUID, PackedTaxonomy] = {}
        self._multilingual: set[UUID] = set()
        self.followed = False

    async def run(self) -> None:
        """Follow until the task is cancelled; what is loaded stays while PostgreSQL is away."""
        fault = ""
        while True:
            before, fault = fault, ""
            try:
                await self.follow()
                self.followed = True
            except (DatabaseUnavailableError, PoolExhaustedError, DeletedVersionError) as error:
                fault = str(error)
            except OSError as error:
                fault = f"the files of a taxonomy cannot be written under /tmp: {error.strerror}. Give it more room"
            if fault and fault != before:
                _log.warning("the taxonomies stay as they are, and are looked up again: %s", fault)
            await asyncio.sleep(POLL_SECONDS)

    async def follow(self, only: Wanted | None = None, *, multilingual: bool = True) -> None:
        """Load what is new, drop what is gone, and take over the defaults.

        `only` is the one version that is loaded; without `multilingual` English versions are for English texts alone.
        """
        async with self._database.read() as connection:
            versions = await repository.versions(connection, self._encoders.names)
        async with self._database.read() as connection:
            defaults = await repository.defaults(connection)
        ready = {version.key: version for version in versions if _is_ready(version, defaults, only)}
        loaded = {key: self._loaded.get(key) or await self._load(version) for key, version in ready.items()}
        gone = self._loaded.keys() - loaded.keys()
        self._loaded = loaded
        self._taxonomies.publish(loaded.values(), defaults)
        for key in gone:
            await self._forget(key)
        for key, version in ready.items() if multilingual else ():
            if key not in self._multilingual and version.multilingual >= version.codes:
                await self._load_multilingual(version, loaded[key])

    async def _load(self, version: StoredVersion) -> PackedTaxonomy:
        encoder = self._encoders.of(version.language)
        folder = await pack(self._database, version, encoder.name, encoder.dimension)
        arrays = await asyncio.to_thread(open_folder, folder)
        taxonomy = await asyncio.to_thread(PackedTaxonomy, version, arrays)
        await asyncio.to_thread(self._on_loaded, taxonomy, vectors_in(arrays), encoder.name)
        _log.info("loaded the taxonomy %s %s", version.name, version.version, extra={"codes": version.codes})
        if encoder is self._encoders.multilingual:
            self._multilingual.add(version.key)
        return taxonomy

    async def _load_multilingual(self, version: StoredVersion, taxonomy: PackedTaxonomy) -> None:
        first, encoder = self._encoders.english, self._encoders.multilingual
        base = await pack(self._database, version, first.name, first.dimension)
        folder = await pack_vectors(self._database, version, encoder.name, encoder.dimension, base)
        arrays = await asyncio.to_thread(open_folder, folder)
        await asyncio.to_thread(self._on_loaded, taxonomy, vectors_in(arrays), encoder.name)
        self._multilingual.add(version.key)
        _log.info("loaded the multilingual vectors of the taxonomy %s %s", version.name, version.version)

    async def _forget(self, key: "UUID") -> None:
        self._multilingual.discard(key)
        for encoder in self._encoders.all():
            await asyncio.to_thread(remove, key, encoder.name)


def _is_ready(version: StoredVersion, defaults: Mapping[str, str], only: Wanted | None) -> bool:
    if version.embedded < version.codes:
        return False
    if only is None:
        return True
    name, wanted = only
    return version.name == name and version.version == (wanted or defaults.get(name))
