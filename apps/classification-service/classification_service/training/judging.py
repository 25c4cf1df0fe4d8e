"""How good a model is, on texts that it has not seen."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from classification_service.ensemble import calibration
from classification_service.ensemble.arrays import Array, Positions
from classification_service.ensemble.calibration import Calibration
from classification_service.ensemble.model import sums_by_level
from classification_service.ensemble.tree import Tree
from classification_service.taxonomies.models import Taxonomy

_AMONG = 5
_CONFUSIONS = 20


@dataclass(frozen=True, slots=True)
class Judged:
    """Answers by parts of a model that had not seen their rows: [row] the likeliest code at each level, and how likely."""

    codes: Sequence[Positions]
    confidence: Sequence[Array]
    wanted: Sequence[Positions]
    wanted_codes: Positions
    ranks: Positions
    """Which of the candidates the right code was, the likeliest 0; -1 where it was none."""


def judged(tree: Tree, positions: Positions, own: Array, wanted: Positions) -> Judged:
    """The likeliest code of each row at each level, from the probabilities of candidates [row, candidate]."""
    levels = len(tree.levels)
    codes = np.full((levels, len(wanted)), -1, np.int64)
    confidence = np.zeros((levels, len(wanted)), np.float32)
    ranks = np.full(len(wanted), -1, np.int64)
    for row in range(len(wanted)):
        there = positions[row] >= 0
        for depth, (found, sums) in enumerate(sums_by_level(tree, positions[row][there], own[row][there])):
            if len(found):
                codes[depth, row] = found[sums.argmax()]
                confidence[depth, row] = sums.max()
        order = positions[row][there][np.argsort(-own[row][there], kind="stable")]
        if len(place := np.flatnonzero(order == wanted[row])):
            ranks[row] = place[0]
    return Judged(list(codes), list(confidence), list(tree.above[:, wanted]), wanted, ranks)


def thresholds_of(tree: Tree, found: Judged, calibrations: Sequence[Calibration]) -> dict[str, float | None]:
    """By level the confidence from which on the answers are right as often as is claimed, None where there is none."""
    limits: dict[str, float | None] = {}
    for level, codes, probabilities, wanted, line in _by_level(tree, found, calibrations):
        there = wanted >= 0
        limit = calibration.threshold(line(probabilities)[there], (codes == wanted)[there])
        limits[level] = None if limit is None else float(np.ceil(limit * 10_000) / 10_000)
    return limits


def report_of(
    taxonomy: Taxonomy,
    tree: Tree,
    found: Judged,
    calibrations: Sequence[Calibration],
    thresholds: dict[str, float | None],
) -> dict[str, Any]:
    """The figures of a report: by level accuracy, calibration error and coverage, and what is most often mistaken."""
    levels: dict[str, Any] = {}
    for level, codes, probabilities, wanted, line in _by_level(tree, found, calibrations):
        there = wanted >= 0
        right, confidence = (codes == wanted)[there], line(probabilities)[there]
        limit = thresholds.get(level)
        sure = confidence >= (2 if limit is None else limit)
        deepest = there & (tree.depths[found.wanted_codes] == tree.levels.index(level))
        among = (found.ranks >= 0) & (found.ranks < _AMONG)
        levels[level] = {
            "rows": int(there.sum()),
            "accuracy": _share(right),
            "accuracy_at_5": _share(among[deepest]),
            "calibration_error": round(calibration.error(confidence, right), 4),
            "threshold_at_95": limit,
            "coverage_at_95": round(float(sure.mean()), 4) if len(sure) else None,
            "precision_at_95": _share(right[sure]),
            "reliability": [
                [round(mean, 4), round(share, 4), count]
                for mean, share, count in calibration.reliability(confidence, right)
            ],
        }
    return {"rows": len(found.ranks), "levels": levels, "confusion": _confusion(taxonomy, found)}


type _Level = tuple[str, Positions, Array, Positions, Calibration]


def _by_level(tree: Tree, found: Judged, calibrations: Sequence[Calibration]) -> Iterator[_Level]:
    return zip(tree.levels, found.codes, found.confidence, found.wanted, calibrations, strict=True)


def _share(right: np.ndarray[Any, np.dtype[np.bool_]]) -> float | None:
    return round(float(right.mean()), 4) if len(right) else None


def _confusion(taxonomy: Taxonomy, found: Judged) -> list[list[Any]]:
    """[wanted, given, how often] of the codes that are most often mistaken at the deepest level that both have."""
    wrong: Counter[tuple[int, int]] = Counter()
    for codes, wanted in zip(found.codes, found.wanted, strict=True):
        if (wanted >= 0).any():
            here = (wanted >= 0) & (wanted == found.wanted_codes) & (codes != wanted) & (codes >= 0)
            wrong.update(zip(wanted[here].tolist(), codes[here].tolist(), strict=True))
    ordered = sorted(wrong.items(), key=lambda entry: (-entry[1], entry[0]))[:_CONFUSIONS]
    return [[taxonomy.nodes[wanted].code, taxonomy.nodes[given].code, count] for (wanted, given), count in ordered]
