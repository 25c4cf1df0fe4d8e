"""`make lint`: style, Dockerfiles, types, imports and locks of the whole tree, without a Docker engine."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from nexusctl import environments
from nexusctl.architecture import contracts
from nexusctl.console import Steps, out
from nexusctl.errors import NexusError
from nexusctl.workspace import ROOT, STATE, load

_HOST_PATHS = "tools:tests:tests/docs"
# `packaging/compare_encoders.py` runs in an image, with the packages of an app.
_HOST_TYPES = ("--explicit-package-bases", "--exclude", "compare_encoders", "tools/nexusctl", "tests")
_IMAGE_TYPES = ("--explicit-package-bases", "--exclude", "/tests/(application|fixtures)/")
_IMAGE_LIBRARIES = ("libs/chassis/src", "libs/testkit/src", "buildpacks/python/lib")


class _Check(NamedTuple):
    """One linter: its name in messages, its command, and what it adds to the environment."""

    name: str
    command: list[str | Path]
    environment: Mapping[str, str] = {}


def run(steps: Steps) -> None:
    """Run every linter on the whole tree, show what each found; raise NexusError with the names of those that failed."""
    packages = environments.of_all_apps(steps)
    failed = [check.name for check in _checks(packages) if not _passes(check)]
    if failed:
        raise NexusError(f"{', '.join(failed)} failed", "see the output above", "fix it, then run `make lint` again")


def _passes(check: _Check) -> bool:
    started = time.monotonic()
    command = [str(part) for part in check.command]
    environment = {**os.environ, **check.environment}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    passed = done.returncode == 0
    if not passed:
        out.print(done.stdout, end="", markup=False, soft_wrap=True)
    out.print(f"{'✓' if passed else '✗'} {check.name} {time.monotonic() - started:.1f} s", markup=False)
    return passed


def _checks(packages: Path) -> list[_Check]:
    ruff = [_program("ruff")]
    dockerfiles = sorted(path.relative_to(ROOT) for path in (ROOT / "docker").glob("Dockerfile.*"))
    return [
        _Check("ruff check", [*ruff, "check", "."], {"RUFF_CACHE_DIR": str(STATE / "ruff")}),
        _Check("ruff format", [*ruff, "format", "--check", "."], {"RUFF_CACHE_DIR": str(STATE / "ruff")}),
        _Check("hadolint", [_program("hadolint"), "--no-color", *dockerfiles]),
        _imports(),
        _Check("check of FastAPI dependencies", [sys.executable, "-m", "nexusctl.architecture", ROOT]),
        _Check("mypy", _mypy("host", *_HOST_TYPES), {"MYPYPATH": _HOST_PATHS}),
        _image_types(packages),
        _Check("chassis in the locks", [sys.executable, "-m", "nexusctl.locks"]),
    ]


def _program(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def _mypy(cache: str, *arguments: str) -> list[str | Path]:
    return [sys.executable, "-m", "mypy", "--no-error-summary", "--cache-dir", STATE / "mypy" / cache, *arguments]


def _imports() -> _Check:
    folder = STATE / "import-linter"
    folder.mkdir(exist_ok=True)
    files = {folder / f"{name}.toml": text for name, text in contracts.configurations(ROOT).items()}
    for path, text in files.items():
        path.write_text(text)
    paths = os.pathsep.join(map(str, contracts.import_paths(ROOT)))
    command: list[str | Path] = [_program("lint-imports"), "--no-logo", "--cache-dir", folder / "cache", *files]
    return _Check("import-linter", command, {"PYTHONPATH": paths})


def _image_types(packages: Path) -> _Check:
    """Check what runs in images as their Python sees it, with the packages of the apps' locks."""
    apps = [f"apps/{app.name}" for app in load().apps]
    folders = [f"{app}/{Path(app).name.replace('-', '_')}" for app in apps]
    command = _mypy("images", *_IMAGE_TYPES, "--python-version", load().python)
    command += ["--python-executable", _interpreter(packages), *folders, "libs/chassis/src", "libs/testkit/src"]
    return _Check("mypy of apps and libraries", command, {"MYPYPATH": os.pathsep.join([*apps, *_IMAGE_LIBRARIES])})


def _interpreter(packages: Path) -> Path:
    """Return a program that mypy can ask for the packages; this interpreter's own (`-S`) are left out."""
    path = environments.FOLDER / "interpreter"
    path.write_text(f"#!/bin/sh\nPYTHONPATH='{packages}' exec '{sys.executable}' -S \"$@\"\n")
    path.chmod(0o755)
    return path
