"""An imported taxonomy in files that the worker processes of a container map and share.

A folder has one array per file, as `numpy.save` writes it. A taxonomy of 156,514 codes takes 75 MB, of which a process
reads what it needs; as Python objects it would take 130 MB in each process, beside the vectors.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import overload, override

import numpy as np
from numpy.typing import NDArray

from classification_service.taxonomies.importers.tree import LEVELS
from classification_service.taxonomies.models import NO_PARENT, Node, StoredVersion, Taxonomy

_BLOCK = 4096  # vectors that are converted at a time: 6 MB
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


class PackedVectors:
    """The vectors of a version's texts, in whole numbers of one byte."""

    def __init__(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        self._values = arrays["vectors"]
        self._scales = np.asarray(arrays["scales"], np.float32)

    def nearness(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """[vector, text] the dot product of each of `vectors` with that of each text."""
        found = np.empty((len(vectors), len(self._values)), np.float32)
        for start in range(0, len(self._values), _BLOCK):
            block = self._values[start : start + _BLOCK].astype(np.float32)
            np.matmul(vectors, block.T, out=found[:, start : start + _BLOCK])
        found *= self._scales
        return found

    def take(self, texts: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of these texts."""
        found = self._values[texts].astype(np.float32)
        found *= self._scales[texts, None]
        return found


def open_folder(folder: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of a folder, mapped."""
    return {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}
