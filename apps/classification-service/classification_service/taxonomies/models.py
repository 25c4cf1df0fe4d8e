"""Taxonomies as trees."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from classification_service.taxonomies.errors import UnknownCodeError


@dataclass(frozen=True)
class Node:
    """One code of a taxonomy. `examples` are short names of things that belong to it."""

    code: str
    level: str
    title: str
    parent: str | None
    examples: tuple[str, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """What the code is recognised by."""
        return (self.title, *self.examples)


@dataclass(frozen=True)
class TaxonomyFile:
    """A starter taxonomy: its rows, and the file that holds the vectors of their texts."""

    name: str
    version: str
    title: str
    nodes: tuple[Node, ...]
    vectors: Path


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
