"""Precision, recall and calibration of feature values, and items per second.

Run: python benchmarks/features.py DATA_FOLDER (from the app's folder). DATA_FOLDER/etim has classes.csv.gz, features.csv.gz and
values.csv.gz of ETIM 10.0.
"""

import csv
import gzip
import json
import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from classification_service.features.class_index import ClassIndex, index_class
from classification_service.features.models import EtimClass, Value
from classification_service.features.reading import FLOOR, read_item
from classification_service.features.units import Units, load_units
from classification_service.taxonomies.models import ClassFeature, Term

SURE = 0.8
_ITEMS = Path(__file__).with_name("feature_items")
_BINS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Found:
    """A value that was read: how sure, and whether it is right."""

    confidence: float
    right: bool


@dataclass(frozen=True, slots=True)
class Score:
    """What was found of `wanted` values."""

    items: int
    wanted: int
    found: Sequence[Found]

    def figures(self, least: float) -> tuple[int, float, float]:
        """Number of values that are at least so sure, their precision and recall."""
        sure = [one for one in self.found if one.confidence >= least]
        right = sum(one.right for one in sure)
        return len(sure), right / max(len(sure), 1), right / self.wanted


def read_classes(data: Path, units: Units) -> dict[str, ClassIndex]:
    """The classes of `structure.csv` with the titles of the data folder."""
    classes = titles(data / "etim" / "classes.csv.gz", "class_id")
    features = titles(data / "etim" / "features.csv.gz", "feature_id")
    values = titles(data / "etim" / "values.csv.gz", "value_id")
    found: defaultdict[str, list[ClassFeature]] = defaultdict(list)
    with (_ITEMS / "structure.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["class"]].append(
                ClassFeature(
                    code=row["feature"],
                    title=features[row["feature"]],
                    kind=row["kind"],
                    unit=Term(code=row["unit"], title=row["unit"]) if row["unit"] else None,
                    values=tuple(Term(code=code, title=values[code]) for code in row["values"].split()),
                )
            )
    return {
        code: index_class(EtimClass(code=code, title=classes[code], features=tuple(own)), units)
        for code, own in found.items()
    }


def titles(path: Path, code: str) -> dict[str, str]:
    """The titles of a table by code."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return {row[code]: row["description_en"].strip() for row in csv.DictReader(file)}


def read_items() -> list[dict[str, Any]]:
    """The products."""
    return [json.loads(line) for line in (_ITEMS / "items.jsonl").read_text(encoding="utf-8").splitlines()]


def score(items: Sequence[Mapping[str, Any]], classes: Mapping[str, ClassIndex], units: Units) -> Score:
    """What is read out of the products, beside what a person reads."""
    found = [one for item in items for one in _found(item, classes[item["code"]], units)]
    return Score(len(items), sum(len(item["values"]) for item in items), found)


def _found(item: Mapping[str, Any], index: ClassIndex, units: Units) -> Iterator[Found]:
    attributes = item.get("attributes", {})
    readings = read_item(index, units, text=item["text"], attributes=attributes, language=item["language"])
    for one in readings.found:
        yield Found(one.confidence, is_right(one.value, item["values"].get(one.feature.code)))


def is_right(value: Value, wanted: object) -> bool:
    """Whether a value is the one that is wanted, or one of them."""
    match value, wanted:
        case Term(), str():
            return value.code == wanted
        case Term(), list():
            return value.code in wanted
        case bool(), _:
            return value is wanted
        case tuple(), list():
            return all(math.isclose(one, other, rel_tol=1e-6) for one, other in zip(value, wanted, strict=True))
        case float(), float() | int():
            return not isinstance(wanted, bool) and math.isclose(value, wanted, rel_tol=1e-6)
        case _:
            return False


def show(name: str, result: Score) -> None:
    """Print the figures."""
    print(f"{name}: {result.items} items, {result.wanted} values")
    for least in (FLOOR, SURE):
        count, precision, recall = result.figures(least)
        print(f"  confidence >= {least}: {count} values, precision {precision:.1%}, recall {recall:.1%}")
    for low, high in pairwise(_BINS):
        inside = [one for one in result.found if low <= one.confidence < high]
        if inside:
            said = sum(one.confidence for one in inside) / len(inside)
            right = sum(one.right for one in inside) / len(inside)
            print(f"  said {low} to {high}: {len(inside)} values, on average {said:.2f}, right {right:.2f}")


def main(data: Path) -> None:
    """Print all figures."""
    units = load_units()
    classes = read_classes(data, units)
    items = read_items()
    print(f"{len({item['code'] for item in items})} classes")
    show("At hand while the rules were written", score([item for item in items if item["seen"]], classes, units))
    show("Kept aside", score([item for item in items if not item["seen"]], classes, units))
    started = time.process_time()
    for _ in range(_ROUNDS):
        score(items, classes, units)
    print(f"{_ROUNDS * len(items) / (time.process_time() - started):.0f} items per second of CPU")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
