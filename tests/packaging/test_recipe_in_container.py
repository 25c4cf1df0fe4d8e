"""Hosts without mmdebstrap run the same recipe in a Debian container."""

import shutil
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from harness.proofs import proof

from nexusctl import base_images, docker, shell

pytestmark = proof("recipe in a container", "docker/base", "project.toml", "tools/nexusctl/base_images.py")


@pytest.fixture
def debian() -> Iterator[None]:
    """Debian's public image, or one made here under its name."""
    if docker.image_id(base_images.RECIPE_IMAGE):
        yield
        return
    if shutil.which("mmdebstrap") is None:
        pytest.skip("neither mmdebstrap nor a Debian image is here")
    with subprocess.Popen(
        ["mmdebstrap", "--quiet", "--variant=minbase", "trixie", "-"], stdout=subprocess.PIPE
    ) as bootstrap:
        subprocess.run(
            ["docker", "import", "-", base_images.RECIPE_IMAGE], stdin=bootstrap.stdout, check=True, capture_output=True
        )
    yield
    subprocess.run(["docker", "rmi", base_images.RECIPE_IMAGE], check=True, capture_output=True)


@pytest.mark.usefixtures("bases", "debian")
def test_run_image_is_the_same_to_the_byte(tmp_path: Path) -> None:
    shell.run(base_images.recipe_in_container(["run"], tmp_path), log="recipe-in-container")
    made = {path.name: sha256(path.read_bytes()).hexdigest() for path in tmp_path.iterdir()}
    assert made == {
        name: sha256((base_images.ROOTS / name).read_bytes()).hexdigest() for name in ("health-probe", "run.tar")
    }
