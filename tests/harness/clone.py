"""Copies of this tree, in which a test may break things."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from nexusctl.workspace import ROOT, STATE

WHEELS_AT_HAND = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(STATE / "wheels" / "apps")}
"""Lets pip take the files that this tree has fetched, where the fetching itself is not what is tested."""

AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "HOME=/nonexistent")
"""Begins a command that root runs as a user without rights."""

_LEFT_OUT = (".git", ".nexus", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache")
_TESTS = ("tests", "benchmarks")


class Outcome(NamedTuple):
    """What a command came to: its exit status and what it printed."""

    status: int
    out: str
    err: str


def clone(target: Path, *, with_tests: bool = False) -> Path:
    """Copy the tree without its state, and without tests if not asked, to `target`, which must not exist; return it."""
    left_out = _LEFT_OUT if with_tests else (*_LEFT_OUT, *_TESTS)
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*left_out), symlinks=True)
    (target / ".nexus").mkdir()
    return target


def track(tree: Path) -> None:
    """Let git track the files of a clone."""
    for command in (["git", "init", "--quiet"], ["git", "add", "."]):
        assert run(command, tree).status == 0


def clone_app(app: str, target: Path) -> Path:
    """Copy one app's folder to `target`; return it."""
    return Path(shutil.copytree(ROOT / "apps" / app, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")))


def share_all_but_wheelhouse(tree: Path) -> None:
    """Give a clone all that this tree has made on its way to the base images, but for the wheelhouse."""
    state = tree / ".nexus"
    for name in ("build-cache", "wheels/internal"):
        shutil.copytree(STATE / name, state / name)
    (state / "build-cache" / "wheelhouse").unlink()
    (state / "base").mkdir()
    for path in (STATE / "base").iterdir():
        if path.name != "wheels.tar":
            (state / "base" / path.name).symlink_to(path)


def leave_out_torch(tree: Path) -> None:
    """Let `nexusctl base` of a clone make what services and builder need, without the run image that has torch."""
    edit(tree / "project.toml", '"nexus/run-torch" = { roots = ["run", "run-torch"], budget-mb = 1100 }\n', "")


def share_all(tree: Path) -> None:
    """Give a clone all that this tree has made: base images, wheels, pack and lifecycle."""
    state = tree / ".nexus"
    shutil.copytree(STATE / "build-cache", state / "build-cache")
    for name in ("base", "wheels", "bin", "lifecycle"):
        (state / name).symlink_to(STATE / name)


def edit(path: Path, before: str, after: str) -> None:
    """Replace the one place in a file that says `before`."""
    text = path.read_text()
    assert text.count(before) == 1, f"{path} says {before!r} {text.count(before)} times"
    path.write_text(text.replace(before, after))


def nexusctl(tree: Path, *arguments: str, env: Mapping[str, str] | None = None, as_nobody: bool = False) -> Outcome:
    """Run a clone's nexusctl with this interpreter's packages; root may run it as a user without rights."""
    search = [tree / "tools"]
    command: Sequence[str] = [sys.executable]
    if as_nobody:
        # This interpreter may lie where nobody can look; the system's has the packages by the search path.
        search += [Path(entry) for entry in sys.path if entry.endswith("site-packages")]
        command = [*AS_NOBODY, "/usr/bin/python3"]
    return run(
        [*command, "-m", "nexusctl", *arguments],
        tree,
        {
            "PYTHONPATH": os.pathsep.join(map(str, search)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_COLOR": "1",
            **(env or {}),
        },
    )


def run(command: Sequence[str | Path], folder: Path, env: Mapping[str, str] | None = None) -> Outcome:
    """Run a command and return what came of it."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
