"""Makes the buildpacks' code and the shared test harness importable, and offers a lifecycle to each test."""

# ruff: noqa: INP001  pytest finds this file by its name

import shutil
import sys
from pathlib import Path

import pytest

BUILDPACKS = Path(__file__).parent
APPLICATION = BUILDPACKS / "python" / "tests" / "application"
sys.path[:0] = [str(BUILDPACKS / folder) for folder in ("tests", "python/lib", "python/launch", "accelerator/lib")]

from lifecycle import Lifecycle  # noqa: E402  the path above comes first
from wheels import make_wheelhouse  # noqa: E402


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheels of wheels.py."""
    return make_wheelhouse(tmp_path_factory.mktemp("wheels"))


@pytest.fixture
def lifecycle(tmp_path: Path, wheelhouse: Path) -> Lifecycle:
    """Return a lifecycle with fresh folders, whose pip is set up as in the build image."""
    return Lifecycle(tmp_path, wheelhouse)


@pytest.fixture
def application(lifecycle: Lifecycle) -> Lifecycle:
    """Return a lifecycle whose application builds."""
    shutil.copytree(APPLICATION, lifecycle.app, dirs_exist_ok=True)
    return lifecycle


@pytest.fixture
def probe_buildpack(tmp_path: Path) -> Path:
    """Return nexus/healthcheck as it is in a builder: with the compiled probe beside its executables."""
    folder = tmp_path / "probe-buildpack"
    shutil.copytree(BUILDPACKS / "healthcheck", folder)
    (folder / "bin" / "health-probe").write_bytes(b"\x7fELF stands for the compiled probe")
    return folder
