"""Training of a model, from labelled texts to files."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from classification_service.encoder.backend import Vectors
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.encoder.encoders import Embedded, Encoders
from classification_service.encoder.multilingual.encoder import MultilingualEncoder
from classification_service.ensemble.files import Description, serialise
from classification_service.ensemble.model import Model, text_keys
from classification_service.ensemble.titles import FullVectors, Groups, TitleVectors
from classification_service.ensemble.tree import Tree, digest
from classification_service.errors import ClassificationServiceError
from classification_service.taxonomies.models import Taxonomy
from classification_service.training.dataset import Example, usable

_CHUNK = 256
_TIMED = 320
_BATCH = 32
_ENCODING, _TITLES = 0.2, 0.5  # shares of the progress


class TrainingError(ClassificationServiceError):
    """A model cannot be trained here."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained model: its files by their names, and a report of how good it is."""

    files: dict[str, bytes]
    report: dict[str, Any]


def fit(
    taxonomy: Taxonomy,
    examples: Sequence[Example],
    *,
    seed: int,
    progress: Callable[[float], None] = lambda _: None,
    encoders: Encoders | None = None,
    titles: TitleVectors | None = None,
) -> Fitted:
    """Train on examples; those whose codes the taxonomy lacks are left out. The same rows and seed give the same files.

    `encoders` are those of the service (by default the shipped ones), `titles` the vectors of the taxonomy's texts by that for
    English, which are computed where they are left out. `progress` is called with the share of the work that is done. Raises TrainingError
    where there is no torch, LabelsError where there are too few examples.
    """
    require_torch()
    from classification_service.training import network  # noqa: PLC0415  only the trainer image has torch
    from classification_service.training.fitting import Fitting, OfTitles, Rows  # noqa: PLC0415  the same
    from classification_service.training.judging import report_of, thresholds_of  # noqa: PLC0415  the same

    started = time.monotonic()
    texts, positions = usable(taxonomy, examples)
    encoders = encoders or Encoders(SentenceEncoder(), MultilingualEncoder())
    vectors = encoded(encoders.english, texts, lambda share: progress(share * _ENCODING))
    embedded = Embedded(texts, vectors, encoders.multilingual.encode(texts))
    if titles is None:
        names = [text for node in taxonomy.nodes for text in node.texts]
        done = _TITLES - _ENCODING
        titles = FullVectors(
            encoded(encoders.english.for_titles(), names, lambda share: progress(_ENCODING + share * done))
        )
    network.begin(seed)
    tree = Tree(taxonomy)
    rows = Rows(embedded, np.array(positions, np.int64), text_keys(texts))
    documents = [" ".join(node.texts) for node in taxonomy.nodes]
    named = encoders.multilingual.encode([taxonomy.nodes[code].title for code in rows.codes])
    of_titles = OfTitles(documents, titles, named)
    fitting = Fitting(tree, rows, of_titles, lambda share: progress(_TITLES + share * (1 - _TITLES)))
    parts, judged = fitting.fit()
    thresholds = thresholds_of(tree, judged, parts.calibrations)
    description = Description(
        taxonomy=taxonomy.name,
        version=taxonomy.version,
        digest=digest(taxonomy),
        encoders={one.name: one.dimension for one in encoders.all()},
        levels=tree.levels,
        calibrations=parts.calibrations,
        thresholds=thresholds,
    )
    report = {
        "taxonomy": taxonomy.name,
        "version": taxonomy.version,
        "seed": seed,
        **report_of(taxonomy, tree, judged, parts.calibrations, thresholds),
        "items_per_second": _rate(Model(tree, Groups(tree), parts), titles, texts, encoders),
        "seconds": round(time.monotonic() - started, 1),
    }
    return Fitted(serialise(description, parts), report)


def require_torch() -> None:
    """Raises TrainingError where there is no torch."""
    try:
        import torch  # type: ignore[import-not-found]  # noqa: F401, PLC0415  only the trainer image has it
    except ImportError:
        raise TrainingError(
            "Training needs torch, which this image does not have. Run this command in the image "
            "classification-trainer: it is the same application on a base with torch."
        ) from None


def encoded(encoder: SentenceEncoder, texts: Sequence[str], progress: Callable[[float], None]) -> Vectors:
    """The vectors of texts; `progress` is called with the share that is done."""
    found = np.empty((len(texts), encoder.dimension), np.float32)
    for start in range(0, len(texts), _CHUNK):
        found[start : start + _CHUNK] = encoder.encode(texts[start : start + _CHUNK])
        progress(min(start + _CHUNK, len(texts)) / len(texts))
    return found


def _rate(model: Model, titles: TitleVectors, texts: Sequence[str], encoders: Encoders) -> int:
    """Texts that one thread answers in a second, from text to ranking."""
    timed = texts[:_TIMED]
    started = time.perf_counter()
    for start in range(0, len(timed), _BATCH):
        model.rank(titles, encoders.embed(timed[start : start + _BATCH]))
    return round(len(timed) / (time.perf_counter() - started))
