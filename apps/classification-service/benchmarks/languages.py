"""Accuracy by language and level against the full table of UNSPSC, and texts per second, beside the encoder for English.

Run: python benchmarks/languages.py DATA_FOLDER (from the app's folder, with the app installed or on PYTHONPATH)
DATA_FOLDER has unspsc/codes.csv.gz (code,level,title,parent), unspsc/titles_es_dev.csv.gz (text,unspsc) and
unspsc/labelled_onet_train.csv.gz (text and a code); German and French names are those of tests/fixtures/languages, with codes of
families. A code that the table lacks counts as wrong at its level.
"""

import csv
import gzip
import io
import random
import sys
import time
from collections.abc import Iterable
from itertools import batched
from pathlib import Path

import numpy as np

from classification_service.classify.index import MULTILINGUAL_TEMPERATURE, TEMPERATURE, TitleIndex
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.encoder.multilingual.encoder import MultilingualEncoder
from classification_service.encoder.text_encoder import TextEncoder
from classification_service.ensemble.titles import FullVectors
from classification_service.taxonomies.models import Node, Taxonomy, TaxonomyFile

_FIXTURES = Path(__file__).parents[1] / "tests" / "fixtures" / "languages"
_LEVELS = ("segment", "family", "class", "commodity")
_SAMPLE = 1000
_BATCH = 64

type Names = list[tuple[str, str]]


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(csv.DictReader(io.StringIO(content.decode())))


def read_names(path: Path) -> Names:
    """At most _SAMPLE names with their codes."""
    rows = read(path)
    names = [(row["text"], row.get("code") or row["unspsc"]) for row in rows]
    return random.Random(1).sample(names, min(_SAMPLE, len(names)))  # noqa: S311  a sample


def read_taxonomy(path: Path) -> Taxonomy:
    """The table of codes, titles alone."""
    nodes = (Node(row["code"], row["level"], row["title"], row["parent"] or None, ()) for row in read(path))
    return Taxonomy.of_file(TaxonomyFile("unspsc", "benchmark", "UNSPSC", tuple(nodes)))


def open_index(taxonomy: Taxonomy, encoder: TextEncoder, temperature: float) -> TitleIndex:
    """The titles by one encoder; prints how fast that was."""
    started = time.process_time()
    titles = [node.title for node in taxonomy.nodes]
    for_titles = encoder.for_titles()
    vectors = np.concatenate([for_titles.encode(part) for part in batched(titles, 4096, strict=False)])
    print(f"{encoder.name}: {len(titles) / (time.process_time() - started):.0f} titles per second of CPU", flush=True)
    return TitleIndex(taxonomy, FullVectors(vectors), temperature)


def measure(taxonomy: Taxonomy, index: TitleIndex, encoder: TextEncoder, names: Names) -> str:
    """Shares of right codes and mean confidence by level, as far as the names' codes go, and texts per second of CPU."""
    levels = [level for level in _LEVELS if not all(is_above(level, code) for _, code in names)]
    places = {
        level: np.array([at for at, node in enumerate(taxonomy.nodes) if node.level == level]) for level in levels
    }
    right, sure = dict.fromkeys(levels, 0), dict.fromkeys(levels, 0.0)
    encoding = 0.0
    for part in batched(names, _BATCH, strict=False):
        started = time.process_time()
        vectors = encoder.encode([text for text, _ in part])
        encoding += time.process_time() - started
        total = index.subtree(index.own(vectors))
        for level in levels:
            best = total[:, places[level]].argmax(axis=1)
            found = [taxonomy.nodes[int(places[level][at])].code for at in best]
            right[level] += sum(
                prefix(level, code) == prefix(level, own) for (_, own), code in zip(part, found, strict=True)
            )
            sure[level] += float(total[:, places[level]].max(axis=1).sum())
    shares = "".join(f"{right[level] / len(names):9.1%} ({sure[level] / len(names):.2f})" for level in levels)
    return f"{shares:<72}{len(names) / encoding:7.0f} texts/s"


def prefix(level: str, code: str) -> str:
    """The digits of a code that name its place down to a level."""
    return code[: 2 * (_LEVELS.index(level) + 1)]


def is_above(level: str, code: str) -> bool:
    """Whether a code is of a higher level."""
    return not code[2 * _LEVELS.index(level) :].strip("0")


def main(arguments: Iterable[str]) -> None:
    """Print the figures."""
    (folder,) = arguments
    unspsc = Path(folder) / "unspsc"
    taxonomy = read_taxonomy(unspsc / "codes.csv.gz")
    sets = {
        "es": read_names(unspsc / "titles_es_dev.csv.gz"),
        "de": read_names(_FIXTURES / "de.csv"),
        "fr": read_names(_FIXTURES / "fr.csv"),
        "en": read_names(unspsc / "labelled_onet_train.csv.gz"),
    }
    encoders: tuple[tuple[TextEncoder, float], ...] = (
        (SentenceEncoder(), TEMPERATURE),
        (MultilingualEncoder(), MULTILINGUAL_TEMPERATURE),
    )
    for encoder, temperature in encoders:
        index = open_index(taxonomy, encoder, temperature)
        print(
            f"{'names':<12}{'segment':>9}{'family':>16}{'class':>16}{'commodity':>16}   (in brackets: mean confidence)"
        )
        for language, names in sets.items():
            print(f"{language} {len(names):>5}    {measure(taxonomy, index, encoder, names)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
