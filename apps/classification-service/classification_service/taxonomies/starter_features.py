"""The features of classes of the ETIM starter taxonomy: those that its file has, in own wording."""

import csv
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from classification_service.taxonomies.models import ClassFeature, Term

_FILE = Path(__file__).with_name("starter") / "etim_features.csv"


def starter_features(code: str) -> tuple[ClassFeature, ...]:
    """The features of a class, none where the starter has none of it."""
    return _by_class().get(code, ())


@cache
def _by_class() -> Mapping[str, tuple[ClassFeature, ...]]:
    found: defaultdict[str, list[ClassFeature]] = defaultdict(list)
    with _FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["class"]].append(_feature(row))
    return {code: tuple(features) for code, features in found.items()}


def _feature(row: Mapping[str, str]) -> ClassFeature:
    return ClassFeature(
        code=row["feature"],
        title=row["title"],
        kind=row["kind"],
        unit=Term(code=row["unit"], title=row["unit_title"]) if row["unit"] else None,
        values=tuple(_value(text) for text in row["values"].split("|") if text),
    )


def _value(text: str) -> Term:
    code, _, title = text.partition("=")
    return Term(code=code, title=title)
