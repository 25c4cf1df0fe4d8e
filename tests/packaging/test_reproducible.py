"""The same tree gives the same layers, whoever builds it, when and where; a layer that is another one is found and named."""

import os
import re
import time
from pathlib import Path

import pytest
from harness import engine
from harness.clone import Outcome, nexusctl, track
from harness.figures import Figures
from harness.proofs import IMAGE_INPUTS, proof

from nexusctl import images
from nexusctl.workspace import ROOT, load

MAX_SECONDS = 8 * 60
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may build as two users"),
    proof("reproduce", *IMAGE_INPUTS, "tools/nexusctl/reproduce"),
]

CIRCUMSTANCES = """\
What differs between the builds
┏━━━━━━━━━━┳━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━┓
┃          ┃ first ┃               second ┃
┡━━━━━━━━━━╇━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━┩
│ folder   │ nexus │ another folder/nexus │
│ user     │     0 │                12345 │
│ umask    │   077 │                  002 │
│ host     │ first │       second.example │
│ timezone │  UTC0 │              NZST-12 │
│ locale   │     C │              C.UTF-8 │
│ delay    │     0 │                   30 │
└──────────┴───────┴──────────────────────┘
… two builds from cold
✓ two builds from cold TIME
… comparison
✓ comparison TIME
"""
DIFFERENT = """\
Images
┏━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━┳━━━━━━━┳━━━━━━━━━━━┓
┃ image                   ┃ layers ┃    id ┃   verdict ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━╇━━━━━━━╇━━━━━━━━━━━┩
│ nexus/redis-root:latest │      1 │ other │ different │
│ nexus/redis:latest      │      1 │ other │ different │
└─────────────────────────┴────────┴───────┴───────────┘
nexus/redis-root:latest: layer 1: /built-at: content differs
    first/built-at is not second/built-at
nexus/redis:latest: layer 1: /built-at: content differs
    first/built-at is not second/built-at
0 of 2 images equal, TIME
"""
DIFFOSCOPE = """#!/bin/sh
echo "$5 is not $6"
exit 1
"""


def plain(output: str) -> str:
    """Return an output without its times, and without the blanks that fill a title's line."""
    return re.sub(r" +$", "", re.sub(r"\d+\.\d (s|minutes)\b", "TIME", output), flags=re.MULTILINE)


def verdicts(output: str) -> dict[str, tuple[str, str]]:
    """Return id and verdict of each image in the table."""
    rows = re.findall(r"^│ (\S+:\S+) +│ +\d+ │ +(\w+) │ +(\w+) │$", output, re.MULTILINE)
    return {image: (same_id, verdict) for image, same_id, verdict in rows}


def expected() -> dict[str, tuple[str, str]]:
    """Return what is promised of each image. The engine's builder writes the time into those of the Dockerfiles."""
    bases = ["nexus/run", "nexus/build", load().builder, *(store.base for store in load().stores)]
    same = [f"{base}:latest" for base in bases] + [images.reference(app, use_pack=True) for app in load().apps]
    other = [images.reference(service, use_pack=False) for service in load().services]
    same += [images.flavour_reference(flavour, use_pack=True) for flavour in load().flavours_of_workers]
    other += [images.flavour_reference(flavour, use_pack=False) for flavour in load().flavours_of_workers]
    return dict.fromkeys(same, ("same", "equal")) | dict.fromkeys(other, ("other", "equal"))


def test_all_images_are_the_same_from_cold(figures: Figures) -> None:
    started, before = time.monotonic(), engine.images(expected())
    outcome = nexusctl(ROOT, "reproduce")
    assert outcome.err == ""
    assert plain(outcome.out).startswith(CIRCUMSTANCES)
    assert verdicts(outcome.out) == expected()
    number = len(expected())
    assert plain(outcome.out).endswith(f"{number} of {number} images equal, TIME\n")
    assert outcome.status == 0
    assert engine.images(expected()) == before
    figures.seconds(f"{number} images built twice from cold and compared", time.monotonic() - started, MAX_SECONDS)


def test_file_that_tells_when_it_was_made_is_named(tree: Path, tmp_path: Path) -> None:
    with (tree / "docker" / "base" / "redis.setup").open("a") as recipe:
        recipe.write("date +%s > built-at\n")
    track(tree)
    program = tmp_path / "bin" / "diffoscope"
    program.parent.mkdir()
    program.write_text(DIFFOSCOPE)
    program.chmod(0o755)
    outcome = nexusctl(tree, "reproduce", "redis", env={"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"})
    assert Outcome(outcome.status, plain(outcome.out), outcome.err) == Outcome(1, CIRCUMSTANCES + DIFFERENT, "")
