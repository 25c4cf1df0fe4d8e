"""Evaluation of a trained model on labelled texts."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from classification_service.encoder.encoders import Encoders
from classification_service.ensemble.features import CANDIDATES
from classification_service.ensemble.opening import OpenedModel
from classification_service.ensemble.titles import TitleVectors
from classification_service.taxonomies.models import Taxonomy
from classification_service.training.dataset import Example, usable
from classification_service.training.judging import judged, report_of

_BATCH = 32


def evaluate(
    taxonomy: Taxonomy,
    opened: OpenedModel,
    encoders: Encoders,
    titles: TitleVectors,
    examples: Sequence[Example],
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """The report of a model on examples that it was not trained with, as `fit` gives it; raises LabelsError.

    `progress` is called with the number of examples since the last call.
    """
    texts, wanted = usable(taxonomy, examples)
    model = opened.model
    positions = np.full((len(texts), CANDIDATES), -1, np.int64)
    own = np.zeros(positions.shape, np.float32)
    started = time.perf_counter()
    for start in range(0, len(texts), _BATCH):
        batch = texts[start : start + _BATCH]
        evidence = model.evidence(titles, encoders.embed(batch))
        rows, width = evidence.positions.shape
        positions[start : start + rows, :width] = evidence.positions
        own[start : start + rows, :width] = model.parts.reranker.probabilities(evidence)
        progress(len(batch))
    rate = round(len(texts) / (time.perf_counter() - started))
    answers = judged(model.tree, positions, own, np.array(wanted, np.int64))
    description = opened.description
    figures = report_of(taxonomy, model.tree, answers, description.calibrations, dict(description.thresholds))
    return {**figures, "items_per_second": rate}
