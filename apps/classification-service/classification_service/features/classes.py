"""The classes of ETIM prepared for reading, those that were asked for last."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from cachetools import LRUCache

from classification_service.features import repository
from classification_service.features.class_index import ClassIndex, index_class
from classification_service.features.models import EtimClass
from classification_service.features.units import Units, load_units
from classification_service.taxonomies.models import ClassFeature, Taxonomy
from classification_service.taxonomies.starter_features import starter_features
from nexus_chassis.unit_of_work import Database

HELD = 512
"""Classes that are kept; one takes some tens of KiB."""


class Classes:
    """Prepares classes, each once while it is kept."""

    def __init__(self, database: Database | None) -> None:
        self._database = database
        self._held: LRUCache[tuple[str, str], ClassIndex] = LRUCache(HELD)
        self._loading = asyncio.Lock()
        self._units: Units | None = None

    async def warm(self) -> None:
        """Have the units at hand before somebody waits for them."""
        await self.units()

    async def units(self) -> Units:
        """The units."""
        async with self._loading:
            if self._units is None:
                self._units = await asyncio.to_thread(load_units)
            return self._units

    async def get(self, taxonomy: Taxonomy, codes: Iterable[str]) -> Mapping[str, ClassIndex]:
        """Classes of a version, by code."""
        wanted = set(codes)
        found = {code: index for code in wanted if (index := self._held.get((taxonomy.key, code))) is not None}
        if missing := sorted(wanted - found.keys()):
            units = await self.units()
            classes = await self._load(taxonomy, missing)
            fresh = await asyncio.to_thread(_prepared, classes, units)
            self._held.update({(taxonomy.key, code): index for code, index in fresh.items()})
            found |= fresh
        return found

    async def _load(self, taxonomy: Taxonomy, codes: Sequence[str]) -> list[EtimClass]:
        features: Mapping[str, Sequence[ClassFeature]]
        if self._database is None or not taxonomy.key:
            features = {code: starter_features(code) for code in codes}
        else:
            async with self._database.read() as connection:
                features = await repository.class_features(connection, taxonomy.key, codes)
        return [
            EtimClass(code=code, title=taxonomy.nodes[taxonomy.get(code)].title, features=tuple(features.get(code, ())))
            for code in codes
        ]


def _prepared(classes: Sequence[EtimClass], units: Units) -> dict[str, ClassIndex]:
    return {one.code: index_class(one, units) for one in classes}
