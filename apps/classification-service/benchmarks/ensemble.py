"""Accuracy of the trained model beside its baselines, calibration, rates, and the learning curve, printed and drawn.

Run: python benchmarks/ensemble.py DATA_FOLDER [FOLDER] (from the app's folder, with torch and the app on PYTHONPATH)
DATA_FOLDER has unspsc/codes.csv.gz, unspsc/labelled_onet_train.csv.gz, etim/classes.csv.gz and etim/synonyms_train.csv.gz. A
fifth of the labelled texts, by a hash, is what is measured; the rest is trained on. FOLDER keeps vectors for the next run, and
gets unspsc.svg and etim.svg where matplotlib is installed (dependency group `dev`).
"""

import classification_service  # noqa: F401  before numpy, whose threads it sets

# isort: split
import csv
import gzip
import hashlib
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, override

import numpy as np

from classification_service.classify.classifier import Classifier
from classification_service.classify.index import index_texts
from classification_service.encoder.backend import Vectors
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.encoder.encoders import Encoders
from classification_service.encoder.multilingual.encoder import MultilingualEncoder
from classification_service.ensemble.opening import OpenedModel, open_model
from classification_service.ensemble.titles import FullVectors
from classification_service.ensemble.tokens import ngrams, normalised, words
from classification_service.ensemble.tree import Tree
from classification_service.ensemble.words import WordIndex
from classification_service.taxonomies.models import Node, Taxonomy, TaxonomyFile
from classification_service.taxonomies.service import Taxonomies
from classification_service.training.dataset import Example, usable
from classification_service.training.evaluation import evaluate
from classification_service.training.service import Fitted, fit

_BASELINE_ROWS = 1000
_TIMED, _SINGLES, _BATCH, _NGRAM_BATCH = 1280, 100, 32, 256
_VALIDATION = 0.2
_CURVE = (1000, 5000)
_KNOWN = "known.npz"

type Rows = list[dict[str, str]]


class Remembering(SentenceEncoder):
    """The shipped encoder, which computes no vector twice."""

    def __init__(self, store: Path | None) -> None:
        super().__init__()
        self._store = store
        self._known: dict[str, Vectors] = {}
        if store is not None and (store / _KNOWN).exists():
            with np.load(store / _KNOWN) as kept:
                self._known = dict(zip(kept["texts"].tolist(), kept["vectors"], strict=True))

    @override
    def encode(self, texts: Sequence[str]) -> Vectors:
        if missing := [text for text in dict.fromkeys(texts) if text not in self._known]:
            self._known.update(zip(missing, super().encode(missing), strict=True))
        return np.stack([self._known[text] for text in texts])

    def keep(self) -> None:
        """Keep the vectors for the next run."""
        if self._store is not None:
            np.savez(
                self._store / _KNOWN, texts=np.array(list(self._known)), vectors=np.stack(list(self._known.values()))
            )

    def titles(self, taxonomy: Taxonomy) -> FullVectors:
        """The vectors of a taxonomy's texts."""
        path = None if self._store is None else self._store / f"{taxonomy.name}.npy"
        if path is not None and path.exists():
            return FullVectors(np.asarray(np.load(path), np.float32))
        plain = SentenceEncoder().for_titles()
        texts = index_texts(taxonomy)
        vectors = np.concatenate([plain.encode(texts[start : start + 1024]) for start in range(0, len(texts), 1024)])
        if path is not None:
            np.save(path, vectors.astype(np.float16))
        return FullVectors(vectors)


def read(path: Path) -> Rows:
    """The rows of a table."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def unspsc(data: Path) -> tuple[Taxonomy, list[Example]]:
    """All codes, and names of O*NET."""
    rows = read(data / "unspsc" / "codes.csv.gz")
    nodes = tuple(
        Node(row["code"], row["level"], row["title"], row["parent"] or None, ())
        for row in rows
        if row["level"] in {"segment", "family", "class", "commodity"}
    )
    labelled = read(data / "unspsc" / "labelled_onet_train.csv.gz")
    return _taxonomy("unspsc", nodes), [Example(row["text"], row["unspsc"]) for row in labelled]


def etim(data: Path) -> tuple[Taxonomy, list[Example]]:
    """All classes, and their synonyms. The groups have no names here."""
    rows = read(data / "etim" / "classes.csv.gz")
    groups = tuple(Node(code, "group", code, None, ()) for code in sorted({row["group_id"] for row in rows}))
    classes = tuple(Node(row["class_id"], "class", row["description_en"], row["group_id"], ()) for row in rows)
    labelled = read(data / "etim" / "synonyms_train.csv.gz")
    return _taxonomy("etim", groups + classes), [Example(row["synonym"], row["class_id"]) for row in labelled]


def _taxonomy(name: str, nodes: tuple[Node, ...]) -> Taxonomy:
    return Taxonomy.of_file(TaxonomyFile(name, "measured", name, nodes))


def is_validation(example: Example) -> bool:
    """Whether a text is measured with: equal texts are on one side."""
    return _digest(example)[0] < _VALIDATION * 256


def _digest(example: Example, salt: str = "") -> bytes:
    return hashlib.sha256(f"{salt}{normalised(example.text)}".encode()).digest()


def print_baselines(
    taxonomy: Taxonomy, titles: FullVectors, encoder: SentenceEncoder, known: list[Example], asked: list[Example]
) -> dict[str, list[float]]:
    """The accuracy of TF-IDF and the encoder over titles, and of these with labelled examples, at each level."""
    tree = Tree(taxonomy)
    texts, wanted = usable(taxonomy, asked[:_BASELINE_ROWS])
    known_texts, positions = usable(taxonomy, known)
    index, found_words = WordIndex.build(index_texts(taxonomy)), words(texts)
    nearest_titles = titles.nearness(encoder.encode(texts))
    nearest_examples = encoder.encode(texts) @ encoder.encode(known_texts).T
    found: dict[str, list[np.ndarray[Any, Any]]] = {
        "TF-IDF of titles": [],
        "encoder, titles": [],
        "encoder, labelled": [],
    }
    for row in range(len(texts)):
        scores = np.zeros(len(tree), np.float32)
        documents, overlap = index.matches(found_words, row)
        scores[documents] = overlap
        found["TF-IDF of titles"].append(_first(scores))
        near = nearest_titles[row].copy()
        found["encoder, titles"].append(_first(near))
        np.maximum.at(near, positions, nearest_examples[row])
        found["encoder, labelled"].append(_first(near))
    shares = {}
    for name, firsts in found.items():
        first = np.array([row[0] for row in firsts])
        share = [float((above[first] == above[wanted])[above[wanted] >= 0].mean()) for above in tree.above]
        shares[name] = share
        among = np.mean([code in row for row, code in zip(firsts, wanted, strict=True)])
        print(f"  {name:<20} {'  '.join(f'{value:6.1%}' for value in share)}   among 5 {among:6.1%}")
    return shares


def _first(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    found = np.argpartition(-scores, 5)[:5]
    return found[np.argsort(-scores[found], kind="stable")]


def opened(fitted: Fitted, taxonomy: Taxonomy) -> OpenedModel:
    """The model as it is served."""
    with tempfile.TemporaryDirectory() as name:
        for file, content in fitted.files.items():
            (Path(name) / file).write_bytes(content)
        return open_model(Path(name), taxonomy)


def print_model(report: dict[str, Any]) -> None:
    """The figures of a report on rows that were not learned from."""
    levels = report["levels"]
    print(f"  {'trained model':<20} {'  '.join(f'{found["accuracy"]:6.1%}' for found in levels.values())}", end="")
    print(f"   among 5 {list(levels.values())[-1]['accuracy_at_5']:6.1%}")
    for name, key in (
        ("calibration error", "calibration_error"),
        ("95 % right: coverage", "coverage_at_95"),
        ("  and precision", "precision_at_95"),
    ):
        shown = (found[key] for found in levels.values())
        print(f"  {name:<20} {'  '.join('     -' if value is None else f'{value:6.3f}' for value in shown)}")


def print_by_text(
    taxonomy: Taxonomy, model: OpenedModel, titles: FullVectors, encoders: Encoders, asked: list[Example]
) -> None:
    """How often the answer to a text is one of its codes: of rows that share a text, at most one can be right."""
    codes: dict[str, set[str]] = {}
    for example in asked:
        codes.setdefault(normalised(example.text), set()).add(example.code)
    texts, first, among = list(codes), 0, 0
    for start in range(0, len(texts), _BATCH):
        batch = texts[start : start + _BATCH]
        for text, ranked in zip(batch, model.model.rank(titles, encoders.embed(batch)), strict=True):
            found = [taxonomy.nodes[position].code for position in ranked.positions[:5].tolist()]
            first += found[0] in codes[text]
            among += not codes[text].isdisjoint(found)
    print(f"  {'by text':<20} {first / len(texts):6.1%} of {len(texts)}   among 5 {among / len(texts):6.1%}")


def print_rates(taxonomy: Taxonomy, model: OpenedModel, titles: FullVectors, asked: list[Example]) -> dict[str, float]:
    """Items per second of CPU of one thread, from text to ranking, and the time of a single one."""
    plain = SentenceEncoder()
    classifier = Classifier(plain, Taxonomies([]))
    classifier.add(taxonomy, titles, plain.name)
    classifier.use(taxonomy, model)
    texts = [example.text for example in asked[:_TIMED]]
    classifier.classify(taxonomy, texts[:_BATCH], 5)
    started = time.process_time()
    for start in range(0, len(texts), _NGRAM_BATCH):
        model.model.parts.learned.ngrams.log_probabilities(ngrams(texts[start : start + _NGRAM_BATCH]))
    by_ngrams = len(texts) / (time.process_time() - started)
    started = time.process_time()
    for start in range(0, len(texts), _BATCH):
        classifier.classify(taxonomy, texts[start : start + _BATCH], 5)
    whole = len(texts) / (time.process_time() - started)
    singles = []
    for text in texts[:_SINGLES]:
        started = time.perf_counter()
        classifier.classify(taxonomy, [text], 5)
        singles.append(time.perf_counter() - started)
    print(
        f"  n-grams {by_ngrams:.0f} items per CPU second, whole model {whole:.0f}, a single item {np.median(singles) * 1e3:.1f} ms"
    )
    return {"n-grams": by_ngrams, "whole model": whole}


def measure(
    taxonomy: Taxonomy, examples: list[Example], encoder: Remembering, counts: Sequence[int] = ()
) -> dict[str, Any]:
    """Print all figures of a taxonomy, also after the first `counts` labels; return them as drawing.Figures has them."""
    known = [one for one in examples if not is_validation(one)]
    asked = sorted((one for one in examples if is_validation(one)), key=lambda one: _digest(one, "asked"))
    encoders, titles = Encoders(encoder, MultilingualEncoder()), encoder.titles(taxonomy)
    levels = Tree(taxonomy).levels
    print(f"{taxonomy.name}: {len(taxonomy.nodes)} codes, {len(known)} rows to learn from, {len(asked)} others")
    print(f"  {'right at':<20} {'  '.join(f'{level[:6]:>6}' for level in levels)}")
    shares = print_baselines(taxonomy, titles, encoder, known, asked)
    curve = {0: shares["encoder, titles"][-1]}
    started = time.perf_counter()
    model = opened(fit(taxonomy, known, seed=1, encoders=encoders, titles=titles), taxonomy)
    seconds = time.perf_counter() - started
    report = evaluate(taxonomy, model, encoders, titles, asked)
    print_model(report)
    print_by_text(taxonomy, model, titles, encoders, asked)
    print(f"  trained in {seconds:.0f} s")
    shares["trained model"] = [found["accuracy"] for found in report["levels"].values()]
    rates = print_rates(taxonomy, model, titles, asked)
    for count in counts:
        part = sorted(known, key=lambda one: _digest(one, "part"))[:count]
        some = opened(fit(taxonomy, part, seed=1, encoders=encoders, titles=titles), taxonomy)
        print(f"after {count} labels")
        found = evaluate(taxonomy, some, encoders, titles, asked)
        print_model(found)
        curve[count] = list(found["levels"].values())[-1]["accuracy"]
    curve[len(known)] = shares["trained model"][-1]
    return {"levels": levels, "shares": shares, "report": report["levels"], "curve": curve, "rates": rates}


def draw(store: Path, taxonomy: str, figures: dict[str, Any]) -> None:
    """Draw the figures, where matplotlib is installed."""
    if find_spec("matplotlib") is None:
        print("no drawing: matplotlib is not installed")
        return
    from drawing import Figures  # noqa: PLC0415  it imports matplotlib
    from drawing import draw as write  # noqa: PLC0415

    write(store / f"{taxonomy}.svg", taxonomy, Figures(**figures))


def main(arguments: list[str]) -> None:
    """Print the figures."""
    data, store = Path(arguments[0]), Path(arguments[1]) if len(arguments) > 1 else None
    encoder = Remembering(store)
    for read_all, counts in ((etim, ()), (unspsc, _CURVE)):
        taxonomy, examples = read_all(data)
        figures = measure(taxonomy, examples, encoder, counts)
        encoder.keep()
        if store is not None:
            draw(store, taxonomy.name, figures)


if __name__ == "__main__":
    main(sys.argv[1:])
