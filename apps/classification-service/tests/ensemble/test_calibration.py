import numpy as np
import pytest
from numpy.typing import NDArray

from classification_service.ensemble.calibration import Calibration, covered, error, threshold


def answers(count: int, seed: int = 1) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Probabilities that are too sure of themselves, and whether each answer was right."""
    chosen = np.random.default_rng(seed)
    truth = chosen.random(count)
    return np.sqrt(truth).astype(np.float32), chosen.random(count) < truth


def test_confidence_says_how_often_other_answers_are_right() -> None:
    line = Calibration.fit(*answers(4000))
    probabilities, right = answers(4000, seed=2)
    assert error(probabilities, right) > 0.1
    assert error(line(probabilities), right) < 0.03
    steps = line(np.linspace(0, 1, 101, dtype=np.float32))
    assert (np.diff(steps) >= 0).all()
    assert 0 <= steps[0] <= steps[-1] <= 1


def test_a_few_answers_change_nothing() -> None:
    line = Calibration.fit(*answers(99))
    assert line(np.array([0.0, 0.3, 1.0], np.float32)) == pytest.approx([0.0, 0.3, 1.0])


@pytest.mark.parametrize("seed", range(5))
def test_a_threshold_keeps_what_it_claims_on_other_answers(seed: int) -> None:
    chosen = np.random.default_rng(seed)
    sure = chosen.random(8000).astype(np.float32)
    right = chosen.random(8000) < sure
    limit = threshold(sure[:4000], right[:4000])
    assert limit is not None
    others = sure[4000:] >= limit
    assert right[4000:][others].mean() >= 0.93
    assert covered(sure[4000:], limit) == pytest.approx(others.mean())
    assert 0.01 < others.mean() < 0.12


def test_there_is_no_threshold_where_answers_are_never_right_enough() -> None:
    assert threshold(np.linspace(0, 1, 1000, dtype=np.float32), np.arange(1000) % 2 == 0) is None
    assert covered(np.ones(3, np.float32), None) == 0


def test_answers_of_one_confidence_are_in_or_out_together() -> None:
    same = np.full(1000, 0.5, np.float32)
    assert threshold(same, np.arange(1000) % 10 > 0) is None
    assert threshold(same, np.arange(1000) % 100 > 0) == 0.5
