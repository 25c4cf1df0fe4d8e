"""The commands `train` and `evaluate`: a model in a folder, against the taxonomies that the service would have."""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classification_service.classify.classifier import Classifier
from classification_service.classify.index import index_texts
from classification_service.encoder.backend import Vectors
from classification_service.ensemble.opening import open_model
from classification_service.ensemble.titles import FullVectors
from classification_service.errors import ClassificationServiceError
from classification_service.opened import opened
from classification_service.progress import Progress
from classification_service.settings import Settings
from classification_service.taxonomies.importers.errors import TaxonomyFileError
from classification_service.taxonomies.local import read_taxonomy
from classification_service.taxonomies.models import NewVersion, Taxonomy
from classification_service.training.dataset import own_examples, read_examples
from classification_service.training.evaluation import evaluate
from classification_service.training.service import encoded, fit, require_torch
from nexus_chassis.settings import load

REPORT_FILE = "report.json"
_STEPS = 100


class ModelFileError(ClassificationServiceError):
    """The files of a model cannot be written."""


@dataclass(frozen=True, slots=True)
class Target:
    """The taxonomy that a model is for: one that is loaded, or that of an official file."""

    name: str
    version: str | None
    file: Path | None


def train_model(target: Target, labels: Path | None, output: Path, *, seed: int) -> None:
    """Train on the rows of `labels`, by default on the taxonomy's own texts, and write the files and a report.

    Raises ClassificationServiceError, UnknownTaxonomyError.
    """
    require_torch()
    taxonomy, classifier = asyncio.run(_open(target))
    examples = own_examples(taxonomy) if labels is None else read_examples(labels, taxonomy)
    with Progress(_STEPS, "steps") as progress:
        steps = _Steps(progress)
        titles = classifier.titles(taxonomy)
        fitted = fit(taxonomy, examples, seed=seed, encoders=classifier.encoders, titles=titles, progress=steps.advance)
    report = (json.dumps(fitted.report, indent=2) + "\n").encode()
    _write(output, {**fitted.files, REPORT_FILE: report})
    names = ", ".join(sorted([*fitted.files, REPORT_FILE]))
    sys.stdout.write(f"{_summary(fitted.report)}wrote {names} to {output}\n")


def evaluate_model(target: Target, labels: Path, folder: Path) -> None:
    """Print how good a model is on labelled rows; raises ClassificationServiceError, UnknownTaxonomyError."""
    taxonomy, classifier = asyncio.run(_open(target))
    model = open_model(folder, taxonomy)
    classifier.use(taxonomy, model)
    examples = read_examples(labels, taxonomy)
    with Progress(len(examples), "rows") as progress:
        report = evaluate(
            taxonomy, model, classifier.encoders, classifier.titles(taxonomy), examples, progress=progress.advance
        )
    sys.stdout.write(_summary(report))


async def _open(target: Target) -> tuple[Taxonomy, Classifier]:
    async with opened(load(Settings), (target.name, target.version)) as found:
        taxonomies, classifier = found.taxonomies, found.classifier
        if target.file is None:
            return taxonomies.get(target.name, target.version), classifier
        try:
            taxonomy = read_taxonomy(target.file, NewVersion(target.name, target.version or target.file.name))
        except TaxonomyFileError as error:
            raise ClassificationServiceError(f"{target.file}: {error}") from None
        classifier.add(taxonomy, FullVectors(_title_vectors(taxonomy, classifier)), classifier.encoder.name)
        return taxonomy, classifier


def _title_vectors(taxonomy: Taxonomy, classifier: Classifier) -> Vectors:
    texts = index_texts(taxonomy)
    with Progress(_STEPS, "steps of the titles") as progress:
        return encoded(classifier.encoder.for_titles(), texts, _Steps(progress).advance)


class _Steps:
    """Shows a share as so many steps."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = 0

    def advance(self, share: float) -> None:
        steps = int(share * _STEPS) - self._done
        self._done += steps
        self._progress.advance(steps)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files that appear whole, or not at all."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            part = folder / f"{name}.part"
            part.write_bytes(content)
            part.replace(folder / name)
    except OSError as error:
        raise ModelFileError(
            f"{folder} cannot be written: {error.strerror}. Give another folder by --output."
        ) from None


def _summary(report: Mapping[str, Any]) -> str:
    """The figures of a report as a table."""
    lines = [
        f"{report['rows']} rows that the model had not learned from, {report['items_per_second']} items/s",
        "level            rows   right  among 5  calibration error  95 % right from  of all",
    ]
    lines += [
        f"{level:<12} {found['rows']:>8} {_percent(found['accuracy']):>7} {_percent(found['accuracy_at_5']):>8} "
        f"{found['calibration_error']:>18.3f} {_number(found['threshold_at_95']):>16} {_percent(found['coverage_at_95']):>7}"
        for level, found in report["levels"].items()
    ]
    return "\n".join(lines) + "\n"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
