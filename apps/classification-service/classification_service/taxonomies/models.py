"""Taxonomies as trees."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

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
    """A starter taxonomy: its rows."""

    name: str
    version: str
    title: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class NewVersion:
    """What a file is imported as; `language` is a BCP 47 tag, that of its titles."""

    name: str
    version: str
    language: str = "en"


@dataclass(frozen=True, slots=True)
class ImportedVersion:
    """A version that was imported: the format it came in, and its number of codes, also at each level."""

    name: str
    version: str
    language: str
    format: str
    codes: int
    levels: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """A version in the database; `key` names its files.

    `embedded` is how many of its codes have vectors by the encoder for the language of its titles, `multilingual` by the
    multilingual one, with which texts of other languages are compared.
    """

    id: int
    key: UUID
    name: str
    version: str
    language: str
    source: str
    imported_at: datetime
    codes: int
    levels: Mapping[str, int]
    embedded: int
    multilingual: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """The vectors of consecutive codes from `first` on: int8 [texts, dimension] and a float32 scale for each."""

    first: int
    codes: int
    scales: bytes
    vectors: bytes


@dataclass(frozen=True, slots=True)
class PackedRow:
    """A code for packing: `parent` is empty for a root, `texts` is how many it has."""

    code: str
    level: str
    parent: str
    title: str
    texts: int


@dataclass(frozen=True, slots=True)
class FoundCode:
    """A code as lists have it."""

    code: str
    level: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A feature's value or unit of ETIM."""

    code: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFeature:
    """A feature of a class of ETIM: its kind, and its unit or the values that it may have."""

    code: str
    title: str
    kind: str | None
    unit: Term | None
    values: tuple[Term, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeDetails:
    """A code of an imported version with its place in the tree, the root first in `path`."""

    code: str
    level: str
    title: str
    definition: str
    synonyms: tuple[str, ...]
    path: Sequence[FoundCode]
    children: Sequence[FoundCode]
    features: Sequence[ClassFeature]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeChange:
    """What another version has of a code: `before` and `after` are None where a version lacks it.

    `other` is the code that a code which moved to, or came from, has in the other version.
    """

    code: str
    kinds: tuple[str, ...]
    before: FoundCode | None
    before_parent: str | None
    after: FoundCode | None
    after_parent: str | None
    other: str | None


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of what changed between two versions, how many codes did in each way, and where the next page begins."""

    counts: Mapping[str, int]
    items: Sequence[CodeChange]
    following: str | None


@dataclass(frozen=True, slots=True)
class CodeFate:
    """What became of a code in another version: the code that it has there, None where it was retired.

    `near_added` says whether codes were added right below it or beside it, which may fit better.
    """

    code: str
    new_code: str | None
    near_added: bool


class Children:
    """The positions of the codes right below each code, and those of the roots, from the positions of the parents."""

    def __init__(self, parents: NDArray[np.int32]) -> None:
        self._order = np.argsort(parents, kind="stable")
        self._sorted = parents[self._order]

    def __getitem__(self, position: int) -> list[int]:
        first, end = np.searchsorted(self._sorted, (position, position + 1))
        below: list[int] = self._order[first:end].tolist()
        return below


NO_PARENT = -1


class Taxonomy:
    """The codes of one version of a classification system.

    `parents` has the position of each code's parent in `nodes`, NO_PARENT for a root; `text_starts` the number of the
    first text of each code among `Node.texts` of all codes, `texts` their number. `key` differs between two imports under
    one name and version. `language` is a BCP 47 tag, that of the titles.
    """

    key = ""
    language = "en"

    def __init__(
        self,
        name: str,
        version: str,
        title: str,
        *,
        nodes: Sequence[Node],
        parents: NDArray[np.int32],
        text_starts: NDArray[np.int32],
        texts: int,
        position: Callable[[str], int | None],
    ) -> None:
        self.name = name
        self.version = version
        self.title = title
        self.nodes = nodes
        self.parents = parents
        self.text_starts = text_starts
        self.texts = texts
        self._position = position
        self.children = Children(parents)
        self.roots = self.children[NO_PARENT]

    @classmethod
    def of_file(cls, file: TaxonomyFile) -> "Taxonomy":
        """The taxonomy of a starter's file."""
        positions = {node.code: position for position, node in enumerate(file.nodes)}
        parents = [positions[node.parent] if node.parent else NO_PARENT for node in file.nodes]
        counts = [len(node.texts) for node in file.nodes]
        return cls(
            file.name,
            file.version,
            file.title,
            nodes=file.nodes,
            parents=np.array(parents, np.int32),
            text_starts=np.cumsum([0, *counts[:-1]], dtype=np.int32),
            texts=sum(counts),
            position=positions.get,
        )

    def get(self, code: str) -> int:
        """Position of a code in `nodes`; raises UnknownCodeError."""
        if (position := self._position(code)) is None:
            raise UnknownCodeError(self.name, self.version, code, len(self.nodes))
        return position

    def path(self, position: int) -> list[Node]:
        """The node at `position` and what is above it, from the root down."""
        found: list[Node] = []
        current = position
        while current != NO_PARENT:
            found.append(self.nodes[current])
            current = int(self.parents[current])
        return found[::-1]

    def levels(self) -> dict[str, int]:
        """Number of codes at each level."""
        return dict(Counter(node.level for node in self.nodes))
