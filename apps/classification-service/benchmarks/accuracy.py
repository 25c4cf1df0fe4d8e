"""Share of right segments, and mean confidence, beside a baseline that counts common words.

Run: python benchmarks/accuracy.py [CSV with the columns text and segment or code] (from the app's folder)
"""

import csv
import re
import sys
from pathlib import Path

from classification_service.classify.classifier import Classifier
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.taxonomies.models import Taxonomy
from classification_service.taxonomies.service import load_starters

_PRODUCTS = Path(__file__).parents[1] / "tests" / "fixtures" / "products.csv"
_SURE = 0.8


def read(path: Path) -> list[tuple[str, str]]:
    """(text, segment) of each row."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [(row["text"], (row.get("segment") or row["code"])[:2] + "000000") for row in rows]


def words(text: str) -> set[str]:
    """The words of a text, without a plural s."""
    return {word.rstrip("s") for word in re.findall(r"[a-z]+", text.lower())}


def word_baseline(taxonomy: Taxonomy, texts: list[str]) -> list[str]:
    """The segment of the title or example that has most words in common with each text."""
    known = [
        (words(text), taxonomy.path(position)[0].code)
        for position, node in enumerate(taxonomy.nodes)
        for text in node.texts
    ]

    def score(found: set[str], own: set[str]) -> float:
        return len(found & own) / len(found | own)

    def nearest(text: str) -> str:
        own = words(text)
        return max(known, key=lambda entry: score(entry[0], own))[1]

    return [nearest(text) for text in texts]


def main(arguments: list[str]) -> None:
    """Print the figures."""
    rows = read(Path(arguments[0]) if arguments else _PRODUCTS)
    texts, segments = [text for text, _ in rows], [segment for _, segment in rows]
    taxonomies = load_starters()
    unspsc = taxonomies.get("unspsc")
    answers = Classifier(SentenceEncoder(), taxonomies).classify(unspsc, texts, top_k=5)
    baseline = word_baseline(unspsc, texts)
    share = sum(answer.path[0].code == segment for answer, segment in zip(answers, segments, strict=True)) / len(rows)
    base = sum(found == segment for found, segment in zip(baseline, segments, strict=True)) / len(rows)
    sure = [(answer, segment) for answer, segment in zip(answers, segments, strict=True) if answer.confidence >= _SURE]
    right = sum(answer.path[0].code == segment for answer, segment in sure)
    print(f"{len(rows)} names, segment right")
    print(f"baseline, common words    {base:8.1%}")
    print(
        f"classifier                {share:8.1%}  (mean confidence {sum(a.confidence for a in answers) / len(rows):.2f})"
    )
    print(
        f"of those it is sure of    {right / max(len(sure), 1):8.1%}  ({len(sure) / len(rows):.1%} of all, confidence >= {_SURE})"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
