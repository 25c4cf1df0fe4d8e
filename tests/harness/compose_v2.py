"""Compose v2, as Debian 13 packages it: fetched by apt with its signature checks, unpacked, used as a CLI plugin."""

import shutil
import subprocess
from pathlib import Path

from nexusctl.workspace import STATE

_FOLDER = STATE / "compose-v2"
_PLUGIN = _FOLDER / "cli-plugins" / "docker-compose"


def docker_config() -> Path:
    """Return a folder for DOCKER_CONFIG that has compose v2 as a plugin; it is fetched once."""
    if not _PLUGIN.exists():
        _fetch()
    return _FOLDER


def _fetch() -> None:
    root = _FOLDER / "root"
    shutil.rmtree(_FOLDER, ignore_errors=True)
    _FOLDER.mkdir(parents=True)
    command = ["mmdebstrap", "--quiet", "--variant=extract", "--include=docker-compose", "trixie", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    partial = _FOLDER / "docker-compose"
    shutil.copy(root / "usr" / "libexec" / "docker" / "cli-plugins" / "docker-compose", partial)
    shutil.rmtree(root)
    _PLUGIN.parent.mkdir()
    partial.rename(_PLUGIN)
