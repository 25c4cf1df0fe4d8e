"""Both ways to build give the same images: `nexusctl parity` on every app and worker."""

import json
import re
import sys
import time
from typing import Any

import pytest
from harness.clone import run
from harness.figures import NOISE, Figures

from nexusctl import images
from nexusctl.console import Steps
from nexusctl.workspace import ROOT, load

PARITY_SECONDS = 90
SIZE = "image size"  # nexusctl parity judges it by ratio and difference
PROCESSES = [*(app.name for app in load().apps), *(worker.name for worker in load().workers)]
MAX_RATIOS = {"memory": 1.1, "start to first 200": 1.1}

pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")


@pytest.fixture(scope="module")
def report(tag: str, figures: Figures) -> dict[str, Any]:
    """What `nexusctl parity --json` says of the images of all apps and workers."""
    assert tag == "latest"
    flavours = [flavour.name for flavour in load().flavours_of_workers]
    images.build(Steps(), [*(app.name for app in load().apps), *flavours], use_pack=False)
    command = [sys.executable, "-m", "nexusctl", "parity", "--json"]
    started = time.monotonic()
    outcome = run(command, ROOT, {"PYTHONPATH": str(ROOT / "tools"), "PYTHONDONTWRITEBYTECODE": "1"})
    figures.seconds("nexusctl parity, all apps and workers, images exist", time.monotonic() - started, PARITY_SECONDS)
    assert outcome.err == ""
    document: dict[str, Any] = json.loads(outcome.out)
    assert outcome.status == (0 if document["equal"] else 1)
    return document


def test_every_point_of_every_process_is_equal_or_allowed(report: dict[str, Any], figures: Figures) -> None:
    different = [
        (pair["service"], row["point"], row["left"], row["right"], row["differences"][:3])
        for pair in report["pairs"]
        for row in pair["points"]
        if row["verdict"] == "different"
    ]
    equal = len(report["pairs"]) - len({service for service, *_ in different})
    figures.at_least("pack images equal to Dockerfile images", equal, len(PROCESSES))
    assert (different, report["stale"], report["equal"]) == ([], [], True)
    assert [pair["service"] for pair in report["pairs"]] == PROCESSES


def test_numbers_of_both_images_are_alike(report: dict[str, Any], figures: Figures) -> None:
    assert [pair["service"] for pair in report["pairs"]] == PROCESSES
    for pair in report["pairs"]:
        ratios = {row["point"]: row["ratio"] for row in pair["points"] if row["point"] in {SIZE, *MAX_RATIOS}}
        figures.note(f"{SIZE}, pack / Dockerfile, {pair['service']}", f"{ratios[SIZE]:.3f}")
        for point, limit in MAX_RATIOS.items():
            figures.at_most(f"{point}, pack / Dockerfile, {pair['service']}", ratios[point], limit, noise=NOISE)


def test_document_lists_the_points(report: dict[str, Any]) -> None:
    text = (ROOT / "docs" / "concepts" / "parity.md").read_text()
    section = text[text.index("## Points") : text.index("## The allow list")]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    listed = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    assert report["pairs"]
    for pair in report["pairs"]:
        assert sorted(listed) == sorted(row["point"] for row in pair["points"])
