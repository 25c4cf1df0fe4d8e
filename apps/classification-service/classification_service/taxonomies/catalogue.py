"""The taxonomies as people look things up in them: the starters, which are in memory, and the imported, in PostgreSQL."""

from collections.abc import Sequence

from classification_service.encoder.encoders import EncoderNames
from classification_service.taxonomies import repository
from classification_service.taxonomies.errors import (
    DefaultVersionError,
    NoDatabaseError,
    NotEmbeddedError,
    StarterVersionError,
    UnknownCodeError,
    UnknownTaxonomyError,
    VersionExistsError,
)
from classification_service.taxonomies.models import (
    Changes,
    CodeDetails,
    CodeFate,
    FoundCode,
    NewVersion,
    StoredVersion,
    Taxonomy,
)
from classification_service.taxonomies.search import START, SearchPlace, SearchQuery, found
from classification_service.taxonomies.service import Taxonomies
from nexus_chassis.unit_of_work import Database

MAX_CHILDREN = 1000
"""Codes below a code that its own answer has."""


class Catalogue:
    """Looks things up. Methods raise UnknownTaxonomyError where there is no such version. `encoders` are whose vectors count."""

    def __init__(self, loaded: Taxonomies, database: Database | None, encoders: EncoderNames) -> None:
        self.starters = loaded.starters
        self._database = database
        self._encoders = encoders

    @property
    def database(self) -> Database:
        """The database; raises NoDatabaseError where there is none."""
        if self._database is None:
            raise NoDatabaseError
        return self._database

    def starter(self, name: str, version: str) -> Taxonomy | None:
        """A starter taxonomy; None where the version is none."""
        return next((one for one in self.starters if (one.name, one.version) == (name, version)), None)

    async def versions(self) -> list[StoredVersion]:
        """The imported versions, in the order of their import."""
        if self._database is None:
            return []
        async with self._database.read() as connection:
            return await repository.versions(connection, self._encoders)

    async def stored(self, name: str, version: str) -> StoredVersion:
        """An imported version; raises StarterVersionError for a starter."""
        if self.starter(name, version) is not None:
            raise StarterVersionError(name, version)
        return await self._stored(name, version)

    async def _stored(self, name: str, version: str) -> StoredVersion:
        found_version = None
        if self._database is not None:
            async with self._database.read() as connection:
                found_version = await repository.version(connection, self._encoders, name, version)
        if found_version is None:
            raise UnknownTaxonomyError(name, version, await self._there())
        return found_version

    async def _there(self) -> list[tuple[str, str]]:
        starters = [(one.name, one.version) for one in self.starters]
        return starters + [(one.name, one.version) for one in await self.versions()]

    def database_for(self, new: NewVersion) -> Database:
        """The database to import a version into; raises NoDatabaseError, VersionExistsError for that of a starter."""
        if self.starter(new.name, new.version) is not None:
            raise VersionExistsError(new.name, new.version)
        return self.database

    async def set_default(self, name: str, version: str, switched_by: str) -> None:
        """Choose the version of requests that name none; raises NoDatabaseError, NotEmbeddedError."""
        database = self.database
        stored = None if self.starter(name, version) is not None else await self._stored(name, version)
        if stored is not None and (left := stored.codes - stored.embedded):
            raise NotEmbeddedError(name, version, left)
        async with database.unit_of_work() as work:
            if stored is not None and not await repository.lock_version(work.connection, stored.id):
                raise UnknownTaxonomyError(name, version, await self._there())
            await repository.set_default(work.connection, name, version, switched_by)

    async def delete(self, name: str, version: str) -> None:
        """Delete an imported version; processes forget it within a second or two, requests that run keep it.

        Raises StarterVersionError, DefaultVersionError.
        """
        stored = await self.stored(name, version)
        async with self.database.unit_of_work() as work:
            await repository.delete(work.connection, stored)
            defaults = await repository.defaults(work.connection)
            if defaults.get(name) == version:
                raise DefaultVersionError(name, version)

    async def code(self, version: StoredVersion, code: str) -> CodeDetails:
        """A code of an imported version; raises UnknownCodeError."""
        async with self.database.read() as connection:
            details = await repository.code_details(connection, version.id, code, MAX_CHILDREN)
        if details is None:
            raise UnknownCodeError(version.name, version.version, code, version.codes, "imported")
        return details

    async def children(
        self, name: str, version: str, parent: str | None, *, after: str, limit: int
    ) -> tuple[Sequence[FoundCode], str | None]:
        """The codes right below one, or the roots, those after a code; and the `after` of the next page, if there is one."""
        if (starter := self.starter(name, version)) is not None:
            places = starter.roots if parent is None else starter.children[starter.get(parent)]
            nodes = sorted((found(starter.nodes[place]) for place in places), key=lambda node: node.code)
            rows: Sequence[FoundCode] = [node for node in nodes if node.code > after][: limit + 1]
        else:
            stored = await self._stored(name, version)
            async with self.database.read() as connection:
                rows = await repository.children(connection, stored.id, parent, after, limit + 1)
        return rows[:limit], rows[limit - 1].code if len(rows) > limit else None

    async def search(
        self, name: str, version: str, text: str, *, after: SearchPlace = START, limit: int
    ) -> tuple[Sequence[FoundCode], SearchPlace | None]:
        """The codes that a text finds, those after a place; and the place that the next page begins after, if any."""
        query = SearchQuery.of(text)
        if not query.terms:
            return [], None
        if (starter := self.starter(name, version)) is not None:
            rows = _search_starter(starter, query, after, limit + 1)
        else:
            stored = await self._stored(name, version)
            async with self.database.read() as connection:
                rows = await repository.search(connection, stored.id, query, after, limit + 1)
        following = rows[limit - 1][0] if len(rows) > limit else None
        return [code for _, code in rows[:limit]], following

    async def changes(self, name: str, version: str, since: str, *, after: str, limit: int) -> Changes:
        """What changed from the imported version `since` to another; raises StarterVersionError."""
        before, now = await self.stored(name, since), await self.stored(name, version)
        async with self.database.read() as connection:
            counts = await repository.count_changes(connection, before.id, now.id)
        async with self.database.read() as connection:
            rows = await repository.changes(connection, before.id, now.id, after, limit + 1)
        return Changes(counts, rows[:limit], rows[limit - 1].code if len(rows) > limit else None)

    async def fates(self, name: str, version: str, since: str, codes: Sequence[str]) -> dict[str, CodeFate]:
        """What became of codes of the imported version `since`, by code; raises StarterVersionError."""
        before, now = await self.stored(name, since), await self.stored(name, version)
        async with self.database.read() as connection:
            return await repository.fates(connection, before.id, now.id, codes)

    async def missing(self, name: str, version: str, codes: Sequence[str]) -> set[str]:
        """Those of these codes that an imported version does not have; raises StarterVersionError."""
        stored = await self.stored(name, version)
        async with self.database.read() as connection:
            return await repository.missing(connection, stored.id, codes)


def _search_starter(
    starter: Taxonomy, query: SearchQuery, after: SearchPlace, limit: int
) -> list[tuple[SearchPlace, FoundCode]]:
    places = ((query.place_of(node), node) for node in starter.nodes)
    rows = [(place, found(node)) for place, node in places if place is not None and place.key() > after.key()]
    return sorted(rows, key=lambda row: row[0].key())[:limit]
