"""Look-ups in arrays that have a row for each text."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

type Array = NDArray[np.float32]
type Positions = NDArray[np.int64]


def lookup(ordered: Positions, wanted: Positions) -> Positions:
    """The place of each wanted number among ordered ones, -1 where it is not among them."""
    if not len(ordered):
        return np.full(wanted.shape, -1, np.int64)
    places = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[places] == wanted, places, -1)


def taken(values: Array, places: Positions, missing: float) -> Array:
    """[text, candidate] the value of each text at these places, `missing` where a place is -1."""
    if not values.shape[1]:
        return np.full(places.shape, missing, np.float32)
    found = np.take_along_axis(values, np.maximum(places, 0), axis=1)
    return np.where(places < 0, np.float32(missing), found)


def best(values: Array, count: int) -> Positions:
    """[text, `count` or fewer] the columns of the highest values of each row, in no order."""
    if values.shape[1] <= count:
        return np.tile(np.arange(values.shape[1]), (len(values), 1))
    return np.argpartition(values, -count, axis=1)[:, -count:]


def merged(groups: Sequence[Positions], most: int) -> Positions:
    """[text, candidate] the distinct positions of several groups [text, n], those of earlier groups first, `most` at most.

    Rows with fewer are filled up with -1; so are the groups.
    """
    rows = []
    for row in np.concatenate(groups, axis=1):
        found, first = np.unique(row, return_index=True)
        if found[0] < 0:
            found, first = found[1:], first[1:]
        rows.append(found[np.argsort(first, kind="stable")[:most]])
    result = np.full((len(rows), max(len(row) for row in rows)), -1, np.int64)
    for number, row in enumerate(rows):
        result[number, : len(row)] = row
    return result
