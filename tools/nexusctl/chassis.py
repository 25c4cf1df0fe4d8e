"""The wheel of libs/chassis, whose version changes with its content.

An installer takes a package of the same version for the same package: pip leaves an installed one alone, caches keep the
older one. So the wheel's version is that of libs/chassis/pyproject.toml with a local part (PEP 440) from the content.
"""

import re
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from nexusctl import build_cache, shell
from nexusctl.console import Steps
from nexusctl.errors import NexusError
from nexusctl.workspace import ROOT, STATE

NAME = "nexus-chassis"
FOLDER = STATE / "wheels" / "internal"
SOURCE = ROOT / "libs" / "chassis"
SOURCES = (SOURCE / "pyproject.toml", SOURCE / "src")
_VERSION = re.compile(r'^version = "([0-9.]+)"$', re.MULTILINE)
_DIGITS = 8


def project() -> dict[str, Any]:
    """Return the table `project` of the chassis's pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]
    return table


def version() -> str:
    """Return the version of the wheel, such as "0.3.0+c1a2b3c4d"."""
    # A letter first: a local part of digits alone is a number, and loses its leading zeros.
    return f"{project()['version']}+c{build_cache.digest(SOURCES)[:_DIGITS]}"


def build(steps: Steps) -> Path:
    """Return the wheel, built if the source changed; the same source gives the same bytes on every machine."""
    value = build_cache.digest(SOURCES)
    if not (FOLDER.exists() and build_cache.is_current("chassis", value)):
        with steps.step("chassis wheel"):
            _build()
        build_cache.finish("chassis", value)
    (wheel,) = FOLDER.glob("*.whl")
    return wheel


def _build() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    STATE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=STATE) as scratch:
        source = Path(scratch, "chassis")
        shutil.copytree(SOURCE / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__"))
        (source / "pyproject.toml").write_text(_with_version((SOURCE / "pyproject.toml").read_text()))
        shell.run([*uv("build"), "--wheel", "--out-dir", FOLDER, source], log="chassis")
    (FOLDER / ".gitignore").unlink(missing_ok=True)


def _with_version(pyproject: str) -> str:
    text, found = _VERSION.subn(f'version = "{version()}"', pyproject)
    if found != 1:
        raise NexusError(
            "the chassis has no version that can be completed",
            f'{found} lines of the form `version = "1.2.3"` in libs/chassis/pyproject.toml',
            "write one such line",
        )
    return text


def uv(*command: str) -> list[str]:
    """Return a command of uv that uses this very interpreter; uv would otherwise fetch one of its own."""
    return [str(Path(sys.executable).with_name("uv")), *command, "--quiet", "--python", sys.executable]
