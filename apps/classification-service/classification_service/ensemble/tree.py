"""The tree of a taxonomy as arrays."""

import hashlib

import numpy as np

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


def digest(taxonomy: Taxonomy) -> str:
    """Names the codes of a taxonomy with their order, titles and places in the tree."""
    found = hashlib.sha256()
    for node in taxonomy.nodes:
        found.update(f"{node.code}\t{node.parent or ''}\t{node.title}\n".encode())
    return found.hexdigest()
