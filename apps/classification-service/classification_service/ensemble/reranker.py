"""Weighs what speaks for each candidate of a text."""

from dataclasses import dataclass

import numpy as np

from classification_service.ensemble.arrays import Array
from classification_service.ensemble.features import Evidence

_NOT_THERE = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class Reranker:
    """Two layers over the features of a candidate, and two over those of the text for "none of them".

    Features are scaled by `mean` and `spread` first. The weights are [outputs, inputs].
    """

    mean: Array
    spread: Array
    hidden_weight: Array
    hidden_bias: Array
    weight: Array
    whole_mean: Array
    whole_spread: Array
    whole_hidden_weight: Array
    whole_hidden_bias: Array
    whole_weight: Array
    whole_bias: Array

    def probabilities(self, evidence: Evidence) -> Array:
        """[text, candidate] how likely each is; what a text lacks to 1 is the probability of "none of them"."""
        values = (evidence.values - self.mean) / self.spread
        hidden = np.maximum(values @ self.hidden_weight.T + self.hidden_bias, 0)
        scores = (hidden @ self.weight.T)[:, :, 0]
        scores[evidence.positions < 0] = _NOT_THERE
        whole = (evidence.whole - self.whole_mean) / self.whole_spread
        none = np.maximum(whole @ self.whole_hidden_weight.T + self.whole_hidden_bias, 0) @ self.whole_weight.T
        scores = np.concatenate([scores, none + self.whole_bias], axis=1)
        scores -= scores.max(axis=1, keepdims=True)
        weights: Array = np.exp(scores)
        found: Array = weights[:, :-1] / weights.sum(axis=1, keepdims=True)
        return found
