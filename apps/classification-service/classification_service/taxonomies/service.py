"""Taxonomies as trees, and where to find them."""

from collections import Counter
from collections.abc import Iterable, Iterator

from classification_service.taxonomies import repository
from classification_service.taxonomies.errors import UnknownCodeError, UnknownTaxonomyError
from classification_service.taxonomies.repository import Node, TaxonomyFile


class Taxonomy:
    """The codes of one version of a classification system."""

    def __init__(self, file: TaxonomyFile) -> None:
        self.name = file.name
        self.version = file.version
        self.title = file.title
        self.nodes = file.nodes
        self.vectors_file = file.vectors
        self._positions = {node.code: position for position, node in enumerate(file.nodes)}
        self.parents = [self._positions[node.parent] if node.parent else None for node in file.nodes]
        self.children: list[list[int]] = [[] for _ in file.nodes]
        self.roots: list[int] = []
        for position, parent in enumerate(self.parents):
            (self.roots if parent is None else self.children[parent]).append(position)

    def get(self, code: str) -> int:
        """Position of a code in `nodes`; raises UnknownCodeError."""
        if code not in self._positions:
            raise UnknownCodeError(self.name, self.version, code, len(self.nodes))
        return self._positions[code]

    def path(self, position: int) -> list[Node]:
        """The node at `position` and what is above it, from the root down."""
        found: list[Node] = []
        current: int | None = position
        while current is not None:
            found.append(self.nodes[current])
            current = self.parents[current]
        return found[::-1]

    def levels(self) -> dict[str, int]:
        """Number of codes at each level."""
        return dict(Counter(node.level for node in self.nodes))


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
