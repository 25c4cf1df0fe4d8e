"""Flavours for training: another image of an app's folder. It has torch, keeps to its budget, and trains a small model."""

import re
import time

import pytest
from harness import flavours
from harness.clone import run
from harness.figures import Figures
from harness.proofs import IMAGE_INPUTS, proof

from nexusctl import docker
from nexusctl.workspace import ROOT, Flavour, load

TRAINERS = [flavour for flavour in load().flavours if flavour.process == "trainer"]
pytestmark = proof("trainer", *IMAGE_INPUTS, "tests/harness/flavours.py")
FLAVOURS = pytest.mark.parametrize("flavour", TRAINERS, ids=lambda flavour: flavour.name)


@FLAVOURS
def test_flavour_does_its_job_within_its_budget(flavour: Flavour, build_path: str, figures: Figures) -> None:
    image = flavours.build(flavour, build_path)
    size = docker.image_megabytes(image)
    figures.at_most(f"size of {image}", size, flavour.budget_mb, "MB")
    started = time.monotonic()
    command = ("-m", "classification_service", "train", "--output", "/tmp/model")  # noqa: S108 # in the container
    outcome = flavours.python(image, build_path, *command, mounts={})
    figures.note(f"a model trained on the starter taxonomy by {image}", f"{time.monotonic() - started:.1f} s")
    assert outcome.status == 0, outcome.err
    assert re.fullmatch(
        r"\d+ rows that the model had not learned from, \d+ items/s\n"
        r"level +rows +right +among 5 +calibration error +95 % right from +of all\n"
        r"((segment|family|class|commodity) [^\n]+\n){4}"
        r"wrote model\.json, model\.safetensors, report\.json to /tmp/model\n",
        outcome.out,
    ), outcome.out


@FLAVOURS
def test_flavour_says_what_its_process_needs(flavour: Flavour, build_path: str) -> None:
    image = flavours.build(flavour, build_path)
    outcome = run(
        ["docker", "run", "--rm", *flavours.HARDENED, "--network", "none", *process(flavour, build_path), image], ROOT
    )
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err == (
        "classification-service: This service runs without a database, where imported taxonomies, decisions and models "
        "are. Set NEXUS_POSTGRES_URL and NEXUS_POSTGRES_PASSWORD_FILE.\n"
    )


def process(flavour: Flavour, build_path: str) -> list[str]:
    """Return the options that start the flavour's process, which pack has made the image's own."""
    return [] if build_path == "pack" else ["--entrypoint", f"/cnb/process/{flavour.process}"]
