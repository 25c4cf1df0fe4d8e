"""The tree of a taxonomy as arrays."""

import hashlib
from dataclasses import dataclass

import numpy as np

from classification_service.ensemble.arrays import Array, Positions
from classification_service.taxonomies.importers.tree import LEVELS
from classification_service.taxonomies.models import NO_PARENT, Taxonomy


class Tree:
    """What is above each code of a taxonomy, which has `texts` texts, those of each code from `text_starts` on.

    `levels` are the names of the levels, the root's first, `depths` [code] the number of each code's level; `above`
    [level, code] the position of the code at that level which is above a code or the code itself, NO_PARENT below it.
    """

    def __init__(self, taxonomy: Taxonomy) -> None:
        self.parents = taxonomy.parents.astype(np.int64)
        self.text_starts = taxonomy.text_starts.astype(np.int64)
        self.texts = taxonomy.texts
        levels = [node.level for node in taxonomy.nodes]
        self.levels = [level for level in LEVELS[taxonomy.name] if level in taxonomy.levels()]
        numbers = {level: depth for depth, level in enumerate(self.levels)}
        self.depths = np.array([numbers[level] for level in levels], np.int64)
        count = len(self.levels)
        self.above = np.full((count, len(self.parents)), NO_PARENT, np.int64)
        current = np.arange(len(self.parents))
        for depth in reversed(range(count)):
            here = (current != NO_PARENT) & (self.depths[current] == depth)
            self.above[depth, here] = current[here]
            current = np.where(here, self.parents[current], current)

    def __len__(self) -> int:
        return len(self.parents)


class LevelSums:
    """Adds up the columns of arrays, which stand for codes at `positions`, to the codes of each level that are above them.

    `codes` [level] are the positions of the codes that they are added up to.
    """

    def __init__(self, tree: Tree, positions: Positions) -> None:
        self._levels = [_Columns.of(above[positions]) for above in tree.above]
        self.codes = [level.codes for level in self._levels]

    def __call__(self, values: Array) -> list[Array]:
        """[level][text, code] of values [text, position]."""
        return [level.sums(values) for level in self._levels]


@dataclass(frozen=True, slots=True)
class _Columns:
    """Columns in the order of what they are added up to."""

    codes: Positions
    columns: Positions
    starts: Positions

    @classmethod
    def of(cls, above: Positions) -> "_Columns":
        columns = np.argsort(above, kind="stable")
        columns = columns[above[columns] >= 0]
        codes, starts = np.unique(above[columns], return_index=True)
        return cls(codes, columns, starts)

    def sums(self, values: Array) -> Array:
        if not len(self.codes):
            return np.zeros((len(values), 0), np.float32)
        found: Array = np.add.reduceat(values[:, self.columns], self.starts, axis=1)
        return found


def digest(taxonomy: Taxonomy) -> str:
    """Names the codes of a taxonomy with their order, titles and places in the tree."""
    found = hashlib.sha256()
    for node in taxonomy.nodes:
        found.update(f"{node.code}\t{node.parent or ''}\t{node.title}\n".encode())
    return found.hexdigest()
