"""Feature values of 35 classes, where the folder with reference data is there: NEXUS_REFERENCE_DATA, or ../shared/data beside the tree."""

import os
from pathlib import Path

import pytest
from conftest import APP

from benchmarks.features import SURE, read_classes, read_items, score
from classification_service.features.units import load_units

DATA = Path(os.environ.get("NEXUS_REFERENCE_DATA", APP.parents[2] / "shared" / "data"))


@pytest.mark.skipif(not (DATA / "etim").is_dir(), reason=f"the reference data is not in {DATA}")
@pytest.mark.parametrize(("seen", "least_recall"), [(True, 0.75), (False, 0.70)])
def test_values_that_are_said_to_be_sure_are_right(seen: bool, least_recall: float) -> None:  # noqa: FBT001  a parameter
    units = load_units()
    items = [item for item in read_items() if item["seen"] is seen]
    result = score(items, read_classes(DATA, units), units)
    count, precision, recall = result.figures(SURE)
    assert len({item["code"] for item in items}) >= 25
    assert result.wanted >= 150
    assert count >= 150
    assert precision >= 0.9
    assert recall >= least_recall


@pytest.mark.skipif(not (DATA / "etim").is_dir(), reason=f"the reference data is not in {DATA}")
def test_a_higher_confidence_is_more_often_right() -> None:
    units = load_units()
    result = score(read_items(), read_classes(DATA, units), units)
    shares = []
    for low, high in ((0.5, 0.8), (0.8, 0.9), (0.9, 1.0)):
        inside = [one.right for one in result.found if low <= one.confidence < high]
        shares.append(sum(inside) / len(inside))
        assert shares[-1] >= low
    assert shares == sorted(shares)
