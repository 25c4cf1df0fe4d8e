"""Folders of Python packages for types and unit tests: for the images' Python, from their wheels, installed by uv.

The chassis is left out, since types and tests take it from its source: after a change of it no lock is needed for them.
"""

import platform
import re
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from nexusctl import build_cache, shell, wheels
from nexusctl.console import Steps
from nexusctl.workspace import ROOT, STATE, load

FOLDER = STATE / "environments"
_CHASSIS = re.compile(r"^nexus-chassis==.*\n(?:    .*\n)*", re.MULTILINE)


def of_app(steps: Steps, name: str | None) -> Path:
    """Return the folder with the packages of one app's locks (of none, if `name` is None) and of the tests' lock."""
    locks = [lock for lock, app in wheels.app_locks().items() if app == name]
    return _installed(steps, name or "none", [*locks, wheels.TEST_REQUIREMENTS])


def of_all_apps(steps: Steps) -> Path:
    """Return the folder with the packages of all locks; of a package that two apps pin differently, the last one's."""
    return _installed(steps, "all", [*wheels.app_locks(), wheels.TEST_REQUIREMENTS])


def of_extra(steps: Steps, app: str, extra: str) -> Path:
    """Return a folder with the packages of an app's extra, the newest that it permits: no image has them."""
    folder = FOLDER / f"{app}-{extra}"
    with steps.step(f"packages of {app}[{extra}]"):
        shutil.rmtree(folder, ignore_errors=True)
        wanted = load_extras(app)[extra]
        shell.run([*_install(folder), "--only-binary", ":all:", *wanted], log=f"environment-{app}-{extra}")
    return folder


def load_extras(app: str) -> dict[str, list[str]]:
    """Return the requirements of each extra of an app."""
    project = tomllib.loads((ROOT / "apps" / app / "pyproject.toml").read_text())["project"]
    return dict(project.get("optional-dependencies", {}))


def _installed(steps: Steps, name: str, locks: Sequence[Path]) -> Path:
    folder = FOLDER / name
    wanted = [_CHASSIS.sub("", lock.read_text()) for lock in locks]
    value = build_cache.digest([], *wanted)
    if folder.exists() and build_cache.is_current(f"environment-{name}", value):
        return folder
    (STATE / "base").mkdir(exist_ok=True)  # where the wheelhouse is written
    wheels.layer(steps)
    wheels.test_wheels(steps)
    with steps.step(f"packages of {name}"):
        shutil.rmtree(folder, ignore_errors=True)
        FOLDER.mkdir(exist_ok=True)
        for text in wanted:
            lock = folder.with_suffix(".txt")
            lock.write_text(text)
            shell.run(_command(lock, folder), log=f"environment-{name}")
    build_cache.finish(f"environment-{name}", value)
    return folder


def _command(lock: Path, folder: Path) -> list[str]:
    places = (wheels.WHEELS / "apps", wheels.WHEELS / "tests")
    return [
        *_install(folder),
        *("--no-index", "--no-deps", "--require-hashes", "--requirement", str(lock)),
        *(part for place in places for part in ("--find-links", str(place))),
    ]


def _install(folder: Path) -> list[str]:
    return [
        *(str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--python", sys.executable),
        *("--no-cache", "--target", str(folder)),
        # uv names manylinux up to 2.40; the wheels are those that pip has chosen for the images' glibc.
        *("--python-version", load().python, "--python-platform", f"{platform.machine()}-manylinux_2_40"),
    ]
