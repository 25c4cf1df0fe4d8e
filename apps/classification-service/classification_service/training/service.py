"""Training of a model, from labelled rows to files."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classification_service import __version__
from classification_service.encoder import safetensors
from classification_service.errors import ClassificationServiceError
from classification_service.progress import Progress
from classification_service.training.dataset import LEVELS, LabelsError, Row, read_rows, split, starter_rows
from classification_service.training.features import BUCKETS

if TYPE_CHECKING:
    from classification_service.training.network import Trained

MODEL_FILE = "model.safetensors"
REPORT_FILE = "report.json"


class TrainingError(ClassificationServiceError):
    """The model cannot be trained or written."""


def train(labels: Path | None, output: Path, *, epochs: int, seed: int) -> None:
    """Train on the rows of `labels`, by default on the starter taxonomy's texts, and write the files to `output`.

    Raises TrainingError, LabelsError.
    """
    _require_torch()
    from classification_service.training import network  # noqa: PLC0415  only the trainer image has torch

    rows = starter_rows() if labels is None else read_rows(labels)
    training, validation = split(rows)
    _require_levels(training)
    started = time.monotonic()
    with Progress(epochs, "epochs") as progress:
        model, trained = network.fit(training, epochs=epochs, seed=seed, after_epoch=progress.advance)
    report = {
        "source": "starter taxonomy" if labels is None else labels.name,
        "taxonomy": "unspsc",
        "training_rows": len(training),
        "validation_rows": len(validation),
        "epochs": epochs,
        "seed": seed,
        "seconds": round(time.monotonic() - started, 1),
        "codes": {level: len(codes) for level, codes in trained.codes.items()},
        "accuracy": network.accuracy(model, validation, trained.codes),
    }
    _write(output, trained, report)
    sys.stdout.write(_summary(output, report))


def _require_torch() -> None:
    try:
        import torch  # type: ignore[import-not-found]  # noqa: F401, PLC0415  only the trainer image has it
    except ImportError:
        raise TrainingError(
            "Training needs torch, which this image does not have. Run this command in the image "
            "classification-trainer: it is the same application on a base with torch."
        ) from None


def _require_levels(rows: list[Row]) -> None:
    for level in LEVELS:
        if not any(row.label(level) for row in rows):
            raise LabelsError(f"No training row has a {level}: {len(rows)} rows are left for training. Give more rows.")


def _write(output: Path, trained: "Trained", report: dict[str, Any]) -> None:
    metadata = {
        "format": "nexus-ngram-1",
        "version": __version__,
        "buckets": str(BUCKETS),
        "codes": json.dumps(trained.codes),
    }
    model, model_part = output / MODEL_FILE, output / f"{MODEL_FILE}.part"
    try:
        output.mkdir(parents=True, exist_ok=True)
        safetensors.write(model_part, trained.weights, metadata)
        model_part.replace(model)
        (output / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise TrainingError(f"{output} cannot be written: {error.strerror}. Give another folder by --output.") from None


def _summary(output: Path, report: dict[str, Any]) -> str:
    lines = [
        f"trained on {report['training_rows']} rows, validated on {report['validation_rows']} others",
        *(f"{level} accuracy {_share(value)}" for level, value in report["accuracy"].items()),
        f"wrote {output / MODEL_FILE} and {output / REPORT_FILE}",
    ]
    return "\n".join(lines) + "\n"


def _share(value: float | None) -> str:
    return "unknown: no validation row has one" if value is None else f"{value:.1%}"
