"""`nexusctl reproduce` where it cannot begin, or cannot come to its end: said in full, and nothing is left of it."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import engine
from harness.clone import Outcome, nexusctl, run, track
from harness.proofs import proof

pytestmark = proof("reproduce command", "docker/base", "tools/nexusctl/reproduce")
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may build as two users")
OWN = ("nexus/redis:latest", "nexus/redis-root:latest")
BEGUN = "… two builds from cold"
_LIMIT_SECONDS = 60


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Where the builds lie; whatever is left there is a fault, as is a change of the machine's own images of the same names."""
    before = engine.images(OWN)
    with tempfile.TemporaryDirectory(prefix="nexus-", dir="/var/tmp") as folder:
        yield Path(folder)
    assert engine.images(OWN) == before


@contextmanager
def reproducing(tree: Path, scratch: Path) -> Iterator[subprocess.Popen[str]]:
    """Give `nexusctl reproduce redis` when its first build has begun."""
    track(tree)
    environment = {"PYTHONPATH": str(tree / "tools"), "TMPDIR": str(scratch), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "nexusctl", "reproduce", "redis"]
    with subprocess.Popen(
        command,
        cwd=tree,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for((tree / ".nexus" / "logs" / "reproduce-first.log").exists)
        yield process
        process.kill()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def engines(scratch: Path) -> list[int]:
    """Return the process ids of the Docker engines that keep their data in `scratch`."""
    return [int(pid) for pid in run(["pgrep", "--full", f"^dockerd .*{scratch}"], scratch).out.split()]


@AS_ROOT
def test_engine_that_goes_away(tree: Path, scratch: Path) -> None:
    with reproducing(tree, scratch) as process:
        for pid in engines(scratch):
            os.kill(pid, signal.SIGKILL)
        out, err = process.communicate(timeout=_LIMIT_SECONDS)
    assert out.endswith(f"{BEGUN}\n")
    assert err == (
        "nexusctl: the Docker engine of the first build went away\n"
        "  found: Killed\n"
        "  to do: see .nexus/logs/reproduce-first-engine.log, then run the same command again (the machine's own engine "
        "is another one)\n"
    )
    assert process.returncode == 1
    assert list(scratch.iterdir()) == []


@AS_ROOT
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda ending: ending.name)
def test_engines_end_with_the_command(tree: Path, scratch: Path, ending: signal.Signals) -> None:
    with reproducing(tree, scratch) as process:
        assert len(engines(scratch)) == 1
        process.send_signal(ending)
        process.communicate(timeout=_LIMIT_SECONDS)
    wait_for(lambda: engines(scratch) == [])
    assert ending == signal.SIGKILL or list(scratch.iterdir()) == []


@AS_ROOT
def test_full_disk(tree: Path, scratch: Path) -> None:
    track(tree)
    assert run(["mount", "-t", "tmpfs", "-o", "size=64m", "nexus-test", scratch], tree).status == 0
    try:
        outcome = nexusctl(tree, "reproduce", "redis", env={"TMPDIR": str(scratch)})
        assert list(scratch.iterdir()) == []
    finally:
        run(["umount", "--lazy", scratch], tree)
    assert outcome.status == 1
    assert outcome.out.endswith(f"{BEGUN}\n")
    what, *found, remedy = outcome.err.splitlines()
    assert what == "nexusctl: the disk is full"
    assert "No space left on device" in "".join(found)
    assert remedy == (
        "  to do: free some space (`docker system df` shows what images hold), then run the same command again"
    )


@AS_ROOT
def test_user_who_is_not_root(tree: Path) -> None:
    assert nexusctl(tree, "reproduce", as_nobody=True) == Outcome(
        1,
        "",
        "nexusctl: two users and two Docker engines need root on Linux\n"
        "  found: this is user 65534 on linux\n"
        "  to do: run it as root: `sudo make reproduce`; the machine's own engine and images are left alone\n",
    )


@AS_ROOT
def test_program_that_is_missing(tree: Path, tmp_path: Path) -> None:
    outcome = nexusctl(tree, "reproduce", env={"PATH": str(tmp_path)})
    assert outcome == Outcome(
        1,
        "",
        "nexusctl: docker is needed and is not installed\n"
        "  found: no such program on PATH\n"
        "  to do: as root on Debian: `apt-get install docker.io docker-cli`; elsewhere: install the equivalent\n",
    )
