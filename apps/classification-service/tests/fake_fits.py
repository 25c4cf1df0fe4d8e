"""What stands in for training; another process imports it by name."""

# ruff: noqa: ARG001  all are called alike

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from classification_service.taxonomies.models import TaxonomyFile
from classification_service.training.dataset import LabelsError
from classification_service.training_runs.models import Examples

type Progress = Callable[[float], None]
RELEASE = "FAKE_FIT_RELEASE"
"""The variable with the path of the file that ends `patient`."""


@dataclass(frozen=True)
class Fake:
    files: dict[str, bytes]
    report: dict[str, object]


def quick(taxonomy: TaxonomyFile, examples: Examples, seed: int, progress: Progress) -> Fake:
    """A model whose files have what it was trained on, and whose accuracy is its seed in percent."""
    progress(0.5)
    texts = "\n".join(f"{code} {text}" for text, code in examples)
    codes = "\n".join(f"{node.code} {' | '.join(node.texts)}" for node in taxonomy.nodes)
    level = taxonomy.nodes[-1].level
    report = {"rows": 100, "levels": {level: {"accuracy": seed / 100}}, "items_per_second": 4000}
    return Fake({"labels.txt": f"{seed}\n{texts}".encode(), "taxonomy.txt": codes.encode()}, report)


def patient(taxonomy: TaxonomyFile, examples: Examples, seed: int, progress: Progress) -> Fake:
    """Goes on until the file is there that the variable names."""
    share = 0.0
    while not os.path.exists(os.environ[RELEASE]):  # noqa: PTH110
        share = min(share + 0.01, 0.9)
        progress(share)
        time.sleep(0.02)
    return quick(taxonomy, examples, seed, progress)


def refusing(_: TaxonomyFile, examples: Examples, seed: int, progress: Progress) -> Fake:
    raise LabelsError(f"{len(examples)} rows are too few.")


def failing(_: TaxonomyFile, examples: Examples, seed: int, progress: Progress) -> Fake:
    raise ZeroDivisionError("a fault of training")


def killed(_: TaxonomyFile, examples: Examples, seed: int, progress: Progress) -> Fake:
    progress(0.1)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def huge(_: TaxonomyFile, examples: Examples, seed: int, progress: Progress) -> Fake:
    return Fake({"weights": bytes(200_000)}, {})
