"""Finds the titles of a taxonomy that are near to texts, without looking at all of a large one."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from classification_service.ensemble.arrays import Array, Positions, best
from classification_service.ensemble.tree import Tree

LOOKED_AT = 1024
"""Vectors of titles that a text is compared with, where there are more than FEW: those of the codes whose parents are nearest."""

FEW = 16_384
_NEAREST_GROUPS = 128


class TitleVectors(Protocol):
    """The vectors of the texts of a taxonomy."""

    def nearness(self, vectors: Array) -> Array:
        """[vector, text] the dot product of each of `vectors` with that of each text."""
        ...

    def take(self, texts: Positions) -> Array:
        """The vectors of these texts."""
        ...


class FullVectors:
    """Vectors in memory."""

    def __init__(self, vectors: Array) -> None:
        self._vectors = vectors

    def nearness(self, vectors: Array) -> Array:
        """See TitleVectors."""
        return vectors @ self._vectors.T

    def take(self, texts: Positions) -> Array:
        """See TitleVectors."""
        return self._vectors[texts]


class Groups:
    """The texts of a taxonomy in groups: each has those of the codes right below one code; those of roots are groups too."""

    def __init__(self, tree: Tree) -> None:
        self.starts = np.append(tree.text_starts, tree.texts)
        self.codes = np.repeat(np.arange(len(tree)), np.diff(self.starts))
        above = np.where(tree.parents >= 0, tree.parents, np.arange(len(tree)))
        of_text = np.unique(above, return_inverse=True)[1][self.codes]
        self.order = np.argsort(of_text, kind="stable")
        sizes = np.bincount(of_text)
        self.ends = np.cumsum(sizes)
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def means(self, vectors: TitleVectors) -> Array:
        """[group, dimension] the mean of the vectors of each group, of length 1."""
        sums = [vectors.take(texts).sum(axis=0) for texts in np.split(self.order, self.ends[:-1])]
        means = np.stack(sums)
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), np.float32(1e-9))
        return means

    def texts(self, groups: Positions) -> Positions:
        """The texts of the first of these groups: LOOKED_AT, and the rest of the last of them."""
        sizes = self.sizes[groups]
        enough = int(np.searchsorted(np.cumsum(sizes), LOOKED_AT)) + 1
        sizes, ends = sizes[:enough], self.ends[groups[:enough]]
        places = np.repeat(ends - np.cumsum(sizes), sizes) + np.arange(int(sizes.sum()))
        return np.sort(self.order[places])


class Titles:
    """Vectors of texts with their groups and the means of these."""

    def __init__(self, groups: Groups, means: Array, vectors: TitleVectors) -> None:
        self._groups = groups
        self._means = means
        self._vectors = vectors

    def near(self, vectors: Array, count: int) -> Positions:
        """[text, `count`] the positions of the codes with the nearest titles, nearest first, -1 where there are fewer."""
        found = np.full((len(vectors), count), -1, np.int64)
        for row, (texts, cosines) in enumerate(self._compared(vectors)):
            places = best(cosines[None, :], 2 * count)[0]
            nearest = texts[places[np.argsort(-cosines[places], kind="stable")]]
            codes, first = np.unique(self._groups.codes[nearest], return_index=True)
            distinct = codes[np.argsort(first)][:count]
            found[row, : len(distinct)] = distinct
        return found

    def _compared(self, vectors: Array) -> Iterator[tuple[Positions, Array]]:
        """For each vector the texts that it is compared with, and the cosines."""
        texts = np.arange(len(self._groups.codes))
        if len(texts) <= FEW:
            for cosines in self._vectors.nearness(vectors):
                yield texts, cosines
            return
        nearness = vectors @ self._means.T
        groups = best(nearness, _NEAREST_GROUPS)
        order = np.argsort(-np.take_along_axis(nearness, groups, 1), axis=1)
        for vector, row, ordered in zip(vectors, groups, order, strict=True):
            texts = self._groups.texts(row[ordered])
            yield texts, self._vectors.take(texts) @ vector

    def cosines(self, vectors: Array, candidates: Positions) -> Array:
        """[text, candidate] the cosine of each text and the nearest text of a candidate, 0 where that is -1."""
        found = np.zeros(candidates.shape, np.float32)
        rows, columns = np.nonzero(candidates >= 0)
        positions, where = np.unique(candidates[rows, columns], return_inverse=True)
        starts = self._groups.starts
        counts = starts[positions + 1] - starts[positions]
        firsts = np.cumsum(counts) - counts
        texts = np.repeat(starts[positions] - firsts, counts) + np.arange(int(counts.sum()))
        taken = self._vectors.take(texts)
        if len(texts) == len(positions):
            found[rows, columns] = np.einsum("id,id->i", taken[where], vectors[rows])
        elif len(texts):
            nearest = np.maximum.reduceat(vectors @ taken.T, firsts, axis=1)
            found[rows, columns] = nearest[rows, where]
        return found
