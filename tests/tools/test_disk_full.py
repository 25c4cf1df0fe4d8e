"""A disk that fills up while wheels are fetched or a layer is written: said in full, and nothing half-made is kept."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from unittest.mock import ANY

import pytest
from harness.clone import WHEELS_AT_HAND, Outcome, leave_out_torch, nexusctl, run, share_all_but_wheelhouse
from harness.proofs import proof

from nexusctl.workspace import STATE

LAYER = Path("base", "wheels.tar")
FETCHED = Path("wheels", "apps")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk"),
    proof("disk full", "tools/nexusctl/base_images.py", "tools/nexusctl/shell.py", "tools/nexusctl/wheels.py"),
]


@contextmanager
def small_disk(tree: Path, size: int) -> Iterator[Path]:
    """Mount a disk of `size` bytes as the clone's state."""
    state = tree / ".nexus"
    assert run(["mount", "-t", "tmpfs", "-o", f"size={size}", "nexus-test", state], tree).status == 0
    try:
        yield state
    finally:
        run(["umount", "--lazy", state], tree)


def enlarge(tree: Path, size: int) -> None:
    assert run(["mount", "-o", f"remount,size={size}", tree / ".nexus"], tree).status == 0


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


@pytest.mark.usefixtures("bases")
@pytest.mark.parametrize("fills", ["while wheels are fetched", "while the layer is written"])
def test_full_disk_is_said_and_the_next_run_makes_it_good(tree: Path, fills: str) -> None:
    fetched = size_of(STATE / FETCHED)
    room = fetched // 2 if fills == "while wheels are fetched" else fetched + fetched // 2
    with small_disk(tree, room) as state:
        share_all_but_wheelhouse(tree)
        leave_out_torch(tree)
        outcome = nexusctl(tree, "base", env=WHEELS_AT_HAND)
        assert (outcome.status, outcome.out) == (1, "… wheelhouse\n")
        what, *found, remedy = outcome.err.splitlines()
        assert what == "nexusctl: the disk is full"
        assert "No space left on device" in "".join(found)
        assert remedy == (
            "  to do: free some space (`docker system df` shows what images hold), then run the same command again"
        )
        assert not (state / LAYER).exists()
        assert not (state / "build-cache" / "wheelhouse").exists()
        enlarge(tree, 4 * fetched)
        assert nexusctl(tree, "base", env=WHEELS_AT_HAND) == Outcome(0, ANY, "")
        assert digest(state / LAYER) == digest(STATE / LAYER)
