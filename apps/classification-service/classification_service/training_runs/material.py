"""What runs train on beside the decisions of people: a taxonomy with all its texts, and the vectors of these."""

import numpy as np

from classification_service.encoder.encoders import EncoderNames
from classification_service.model_registry.models import Line
from classification_service.taxonomies import repository as taxonomy_repository
from classification_service.taxonomies.models import Node, StoredVersion, TaxonomyFile
from classification_service.taxonomies.starters import STARTER_VERSION, read_starter
from classification_service.training_runs import repository
from classification_service.training_runs.errors import RunError
from classification_service.training_runs.models import TitleVectors
from nexus_chassis.unit_of_work import Database

_PAGE = 5000
_NO_ENCODERS = EncoderNames("", "")  # which vectors there are is read by `repository.has_vectors`


class Material:
    """Reads taxonomies, and their vectors by one encoder.

    Methods raise RunError where an import is not there any more, DatabaseUnavailableError.
    """

    def __init__(self, database: Database, encoder: str) -> None:
        self._database = database
        self._encoder = encoder

    async def taxonomy(self, line: Line) -> tuple[TaxonomyFile, TitleVectors | None]:
        """The taxonomy of a line with synonyms as examples, and the vectors of its texts, None where some are missing."""
        if not line.taxonomy_key:
            if line.version != STARTER_VERSION:
                raise RunError(f"{line.taxonomy} {line.version} is not there any more.")
            return read_starter(line.taxonomy), None
        async with self._database.read() as connection:
            version = await taxonomy_repository.version(connection, _NO_ENCODERS, line.taxonomy, line.version)
        if version is None or str(version.key) != line.taxonomy_key:
            raise _deleted(line)
        nodes = await self._nodes(version, line)
        async with self._database.read() as connection:
            complete = await repository.has_vectors(connection, version.id, self._encoder, version.codes)
        titles = await self._vectors(version, line) if complete else None
        return TaxonomyFile(line.taxonomy, line.version, "", tuple(nodes)), titles

    async def _nodes(self, version: StoredVersion, line: Line) -> list[Node]:
        nodes: list[Node] = []
        while len(nodes) < version.codes:
            async with self._database.read() as connection:
                page = await repository.nodes(connection, version.id, len(nodes), _PAGE)
            if not page:
                raise _deleted(line)
            nodes += page
        return nodes

    async def _vectors(self, version: StoredVersion, line: Line) -> TitleVectors:
        values, scales, first = bytearray(), bytearray(), 0
        while first < version.codes:
            async with self._database.read() as connection:
                chunk = await taxonomy_repository.read_chunk(connection, version.id, self._encoder, first)
            if chunk is None:
                raise _deleted(line)
            values += chunk.vectors
            scales += chunk.scales
            first += chunk.codes
        found = np.frombuffer(scales, np.float32)
        return TitleVectors(np.frombuffer(values, np.int8).reshape(len(found), -1), found)


def _deleted(line: Line) -> RunError:
    return RunError(f"This import of {line.taxonomy} {line.version} was deleted.")
