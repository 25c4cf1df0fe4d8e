"""Both ways to build give the same images: `nexusctl parity` on every app."""

import json
import re
import sys
import time
from typing import Any

import pytest
from harness import engine
from harness.clone import run
from harness.figures import Figures

from nexusctl import images
from nexusctl.console import Steps
from nexusctl.workspace import ROOT, load

ASKED = {"image size": "within 5 % or 10 MB", "memory": "ratio <= 1.1", "start to first 200": "ratio <= 1.1"}

pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")


@pytest.fixture(scope="module")
def report(tag: str, figures: Figures) -> dict[str, Any]:
    """What `nexusctl parity --json` says of the images of all apps."""
    assert tag == "latest"
    images.build(Steps(), [app.name for app in load().apps], use_pack=False)
    command = [sys.executable, "-m", "nexusctl", "parity", "--json"]
    started = time.monotonic()
    outcome = run(command, ROOT, {"PYTHONPATH": str(ROOT / "tools"), "PYTHONDONTWRITEBYTECODE": "1"})
    figures.add("nexusctl parity, all apps, images exist", "<= 90 s", engine.seconds(started))
    assert outcome.err == ""
    document: dict[str, Any] = json.loads(outcome.out)
    assert outcome.status == (0 if document["equal"] else 1)
    return document


def test_every_point_of_every_app_is_equal_or_allowed(report: dict[str, Any], figures: Figures) -> None:
    different = [
        (pair["service"], row["point"], row["left"], row["right"], row["differences"][:3])
        for pair in report["pairs"]
        for row in pair["points"]
        if row["verdict"] == "different"
    ]
    equal = len(report["pairs"]) - len({service for service, *_ in different})
    figures.add("pack image equal to Dockerfile image", "4 of 4", f"{equal} of {len(report['pairs'])}")
    assert (different, report["stale"], report["equal"]) == ([], [], True)
    assert [pair["service"] for pair in report["pairs"]] == [app.name for app in load().apps]


def test_numbers_of_both_images_are_alike(report: dict[str, Any], figures: Figures) -> None:
    for pair in report["pairs"]:
        ratios = {row["point"]: row["ratio"] for row in pair["points"] if row["point"] in ASKED}
        for point, asked in ASKED.items():
            figures.add(f"{point}, pack / Dockerfile, {pair['service']}", asked, f"{ratios[point]:.3f}")
        assert None not in ratios.values()


def test_document_lists_the_points(report: dict[str, Any]) -> None:
    text = (ROOT / "docs" / "parity.md").read_text()
    section = text[text.index("## Points") : text.index("## The allow list")]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    listed = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    for pair in report["pairs"]:
        assert sorted(listed) == sorted(row["point"] for row in pair["points"])
