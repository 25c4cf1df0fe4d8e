"""The starter taxonomies that are shipped as files."""

import csv
from pathlib import Path

from classification_service.taxonomies.models import Node, TaxonomyFile

STARTER_VERSION = "starter-1"
"""Version of the starter taxonomies; it changes when their rows change."""

_STARTER = Path(__file__).with_name("starter")
_TITLES = {
    "unspsc": "UNSPSC starter: segments, families and some classes and commodities in own wording",
    "etim": "ETIM starter: some groups and classes in own wording",
}


def names() -> list[str]:
    """Names of the starter taxonomies."""
    return list(_TITLES)


def read_starter(name: str) -> TaxonomyFile:
    """The starter taxonomy of that name, one of `names()`."""
    with (_STARTER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        nodes = tuple(_node(row) for row in csv.DictReader(file))
    return TaxonomyFile(name, STARTER_VERSION, _TITLES[name], nodes)


def vectors_file(name: str, *, multilingual: bool = False) -> Path:
    """The file that holds the vectors of the texts of a starter taxonomy, by the encoder for English or the multilingual one."""
    return _STARTER / (f"{name}-multilingual.npy" if multilingual else f"{name}.npy")


def _node(row: dict[str, str]) -> Node:
    examples = tuple(example.strip() for example in row["description"].split(","))
    return Node(row["code"], row["level"], row["title"], row["parent"] or None, examples)
