"""Confidence that is as often right as it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PRECISION = 0.95
"""What the thresholds of a model claim: so many of the answers above one are right."""

_MOST_KNOTS = 20
_SMALLEST_BIN = 50
_ONE_SIDED = 1.0  # standard errors between the precision that was seen and the one that is claimed

type Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """A rising line through points: what a probability of the model is worth."""

    inputs: Sequence[float]
    outputs: Sequence[float]

    def __call__(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """The share of right answers among those with these probabilities."""
        return np.interp(probabilities, self.inputs, self.outputs).astype(np.float32)

    @classmethod
    def fit(cls, probabilities: NDArray[np.float32], right: NDArray[np.bool_]) -> "Calibration":
        """The line through means of answers that are sorted by their probability; it keeps the probabilities of a few."""
        order = np.argsort(probabilities, kind="stable")
        bins = min(_MOST_KNOTS, len(order) // _SMALLEST_BIN)
        if bins < 2:  # noqa: PLR2004
            return cls([0.0, 1.0], [0.0, 1.0])
        parts = np.array_split(order, bins)
        inputs = np.array([probabilities[part].mean(dtype=np.float64) for part in parts])
        # Half a right and half a wrong answer more: no confidence is 0 or 1.
        outputs = _rising(
            np.array([(right[part].sum() + 0.5) / (len(part) + 1) for part in parts]),
            np.array([len(part) for part in parts]),
        )
        inputs, first = np.unique(np.round(inputs, 6), return_index=True)
        inner = (inputs > 0) & (inputs < 1)
        ends = float(outputs[0] * 0.5), float(outputs[-1] + (1 - outputs[-1]) * 0.5)
        return cls(
            [0.0, *inputs[inner].tolist(), 1.0], [ends[0], *np.round(outputs[first][inner], 6).tolist(), ends[1]]
        )


def _rising(values: Array, weights: NDArray[np.int64]) -> Array:
    """The rising sequence that is nearest to these values: neighbours that fall are put together."""
    blocks: list[tuple[float, float, int]] = []  # mean, weight, number of values
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        block = (value, float(weight), 1)
        while blocks and blocks[-1][0] >= block[0]:
            before = blocks.pop()
            total = before[1] + block[1]
            block = ((before[0] * before[1] + block[0] * block[1]) / total, total, before[2] + block[2])
        blocks.append(block)
    return np.repeat([mean for mean, _, _ in blocks], [count for _, _, count in blocks])


def reliability(
    confidence: NDArray[np.float32], right: NDArray[np.bool_], bins: int = 10
) -> list[tuple[float, float, int]]:
    """Of the answers in each of equal bins of confidence: their mean confidence, the share of right ones, their number."""
    places = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    parts = [places == place for place in range(bins)]
    return [
        (float(confidence[part].mean(dtype=np.float64)), float(right[part].mean()), int(part.sum()))
        for part in parts
        if part.any()
    ]


def error(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> float:
    """The expected calibration error: the mean distance of confidence and share of right answers over equal bins."""
    found = reliability(confidence, right)
    return sum(abs(mean - share) * count for mean, share, count in found) / len(right) if len(right) else 0.0


def threshold(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> float | None:
    """The lowest confidence from which on PRECISION of the answers are right, by more than chance; None where none is."""
    order = np.argsort(-confidence, kind="stable")
    counts = np.arange(1, len(order) + 1)
    precision = np.cumsum(right[order]) / counts
    margin = _ONE_SIDED * np.sqrt(PRECISION * (1 - PRECISION) / counts)
    last = np.append(confidence[order][1:] < confidence[order][:-1], [True]) if len(order) else np.zeros(0, np.bool_)
    enough = np.flatnonzero((precision >= PRECISION + margin) & last & (counts >= _SMALLEST_BIN))
    return float(confidence[order][enough[-1]]) if len(enough) else None


def covered(confidence: NDArray[np.float32], at_least: float | None) -> float:
    """The part of the answers with that confidence or more."""
    return float((confidence >= at_least).mean()) if at_least is not None and len(confidence) else 0.0


type Thresholds = Mapping[str, float | None]
