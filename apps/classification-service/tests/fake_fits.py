"""What stands in for training; another process imports it by name."""

# ruff: noqa: ARG001  all are called alike

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from classification_service.training.dataset import LabelsError
from classification_service.training_runs.models import Task

type Progress = Callable[[float], None]
RELEASE = "FAKE_FIT_RELEASE"
"""The variable with the path of the file that ends `patient`."""


@dataclass(frozen=True)
class Fake:
    files: dict[str, bytes]
    report: dict[str, object]


def quick(task: Task, progress: Progress) -> Fake:
    """A model whose files have what it was trained on, and whose accuracy is its seed in percent."""
    progress(0.5)
    texts = "\n".join(f"{code} {text}" for text, code in task.examples)
    codes = "\n".join(f"{node.code} {' | '.join(node.texts)}" for node in task.taxonomy.nodes)
    level = task.taxonomy.nodes[-1].level
    report = {"rows": 100, "levels": {level: {"accuracy": task.seed / 100}}, "items_per_second": 4000}
    return Fake({"labels.txt": f"{task.seed}\n{texts}".encode(), "taxonomy.txt": codes.encode()}, report)


def patient(task: Task, progress: Progress) -> Fake:
    """Goes on until the file is there that the variable names."""
    share = 0.0
    while not os.path.exists(os.environ[RELEASE]):  # noqa: PTH110
        share = min(share + 0.01, 0.9)
        progress(share)
        time.sleep(0.02)
    return quick(task, progress)


def refusing(task: Task, progress: Progress) -> Fake:
    raise LabelsError(f"{len(task.examples)} rows are too few.")


def failing(task: Task, progress: Progress) -> Fake:
    raise ZeroDivisionError("a fault of training")


def killed(task: Task, progress: Progress) -> Fake:
    progress(0.1)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def huge(task: Task, progress: Progress) -> Fake:
    return Fake({"weights": bytes(200_000)}, {})
