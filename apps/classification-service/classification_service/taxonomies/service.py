"""The taxonomies that are loaded, by name and version."""

from collections.abc import Iterable, Iterator

from classification_service.taxonomies import repository
from classification_service.taxonomies.errors import UnknownTaxonomyError
from classification_service.taxonomies.models import Taxonomy


class Taxonomies:
    """The taxonomies that are loaded."""

    def __init__(self, taxonomies: Iterable[Taxonomy]) -> None:
        self._taxonomies = {(taxonomy.name, taxonomy.version): taxonomy for taxonomy in taxonomies}

    def __iter__(self) -> Iterator[Taxonomy]:
        return iter(self._taxonomies.values())

    def get(self, name: str, version: str | None = None) -> Taxonomy:
        """The taxonomy of that name, by default its latest version; raises UnknownTaxonomyError."""
        found = [taxonomy for taxonomy in self._taxonomies.values() if taxonomy.name == name]
        if version is not None:
            found = [taxonomy for taxonomy in found if taxonomy.version == version]
        if not found:
            raise UnknownTaxonomyError(name, version, list(self._taxonomies))
        return found[-1]


def load_starters() -> Taxonomies:
    """The taxonomies that are shipped with the service."""
    return Taxonomies(Taxonomy(repository.read_starter(name)) for name in repository.names())
