"""The taxonomies that are loaded, by name and version."""

from collections.abc import Iterable, Iterator, Mapping

from classification_service.taxonomies import starters
from classification_service.taxonomies.errors import UnknownTaxonomyError
from classification_service.taxonomies.models import Taxonomy


class Taxonomies:
    """The taxonomies that texts can be classified against now. Those of the start are always among them."""

    def __init__(self, taxonomies: Iterable[Taxonomy]) -> None:
        self.starters = tuple(taxonomies)
        self._defaults: Mapping[str, str] = {}
        self._taxonomies = _by_name(self.starters)

    def __iter__(self) -> Iterator[Taxonomy]:
        return iter(self._taxonomies.values())

    def get(self, name: str, version: str | None = None) -> Taxonomy:
        """The taxonomy of that name and version, by default that of `default`; raises UnknownTaxonomyError."""
        wanted = version or self.default(name)
        if wanted is None or (name, wanted) not in self._taxonomies:
            raise UnknownTaxonomyError(name, version, list(self._taxonomies))
        return self._taxonomies[name, wanted]

    def has(self, name: str, version: str) -> bool:
        """Whether texts can be classified against a version."""
        return (name, version) in self._taxonomies

    def default(self, name: str) -> str | None:
        """The version that is used where none is named: the chosen one, else that of the start; None for no taxonomy."""
        chosen = self._defaults.get(name)
        if chosen is not None and (name, chosen) in self._taxonomies:
            return chosen
        return next((one.version for one in self.starters if one.name == name), None)

    def publish(self, imported: Iterable[Taxonomy], defaults: Mapping[str, str]) -> None:
        """Offer these versions beside the starters from now on. Requests that run keep the taxonomy that they have."""
        self._taxonomies = _by_name((*self.starters, *imported))
        self._defaults = dict(defaults)


def _by_name(taxonomies: Iterable[Taxonomy]) -> dict[tuple[str, str], Taxonomy]:
    return {(taxonomy.name, taxonomy.version): taxonomy for taxonomy in taxonomies}


def load_starters() -> Taxonomies:
    """The taxonomies that are shipped with the service."""
    return Taxonomies(Taxonomy.of_file(starters.read_starter(name)) for name in starters.names())
