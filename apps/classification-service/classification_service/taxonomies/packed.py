"""An imported taxonomy in files that the worker processes of a container map and share.

A folder has one array per file, as `numpy.save` writes it. A taxonomy of 156,514 codes takes 75 MB, of which a process
reads what it needs; as Python objects it would take 130 MB in each process, beside the vectors.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import overload, override

import numpy as np
from numpy.typing import NDArray

from classification_service.encoder.packed_vectors import PackedVectors
from classification_service.taxonomies.importers.tree import LEVELS
from classification_service.taxonomies.models import NO_PARENT, Node, StoredVersion, Taxonomy

CODE_BYTES = 16


class PackedNodes(Sequence[Node]):
    """The codes, made from the files when they are asked for; they have no examples."""

    def __init__(self, arrays: Mapping[str, NDArray[np.generic]], levels: Sequence[str]) -> None:
        self.codes = arrays["codes"]
        self._levels = arrays["levels"]
        self._parents = arrays["parents"]
        self._titles = arrays["titles"]
        self._offsets = arrays["offsets"]
        self._names = levels

    @override
    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, index: int) -> Node: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Node, ...]: ...
    @override
    def __getitem__(self, index: int | slice) -> Node | tuple[Node, ...]:
        if isinstance(index, slice):
            return tuple(self[place] for place in range(*index.indices(len(self))))
        parent = int(self._parents[index])
        title = self._titles[int(self._offsets[index]) : int(self._offsets[index + 1])].tobytes().decode()
        above = None if parent == NO_PARENT else self._code(parent)
        return Node(self._code(index), self._names[int(self._levels[index])], title, above, ())

    def _code(self, position: int) -> str:
        return bytes(self.codes[position]).decode("ascii")

    @override
    def __iter__(self) -> Iterator[Node]:
        return (self[position] for position in range(len(self)))


class PackedTaxonomy(Taxonomy):
    """An imported version; `levels` is known from its import."""

    def __init__(self, version: StoredVersion, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        nodes = PackedNodes(arrays, LEVELS[version.name])
        order = np.argsort(nodes.codes)
        codes = nodes.codes[order]

        def position(code: str) -> int | None:
            wanted = np.bytes_(code.encode("ascii", "replace"))
            place = int(np.searchsorted(codes, wanted))
            return int(order[place]) if place < len(codes) and codes[place] == wanted else None

        super().__init__(
            version.name,
            version.version,
            f"{version.name.upper()} {version.version}",
            nodes=nodes,
            parents=np.asarray(arrays["parents"], np.int32),
            text_starts=np.asarray(arrays["starts"], np.int32),
            texts=len(arrays["vectors"]),
            position=position,
        )
        self.key = str(version.key)
        self.language = version.language
        self._counts = dict(version.levels)

    @override
    def levels(self) -> dict[str, int]:
        return dict(self._counts)


def open_folder(folder: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of a folder, mapped."""
    return {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}


def vectors_in(arrays: Mapping[str, NDArray[np.generic]]) -> PackedVectors:
    """The vectors of a folder."""
    return PackedVectors(np.asarray(arrays["vectors"], np.int8), np.asarray(arrays["scales"], np.float32))
