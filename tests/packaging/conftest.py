"""A clone of the tree whose apps a test may change and build."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import engine
from harness.clone import clone

from nexusctl import docker
from nexusctl.workspace import Service, load


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return clone(tmp_path / "nexus")


@pytest.fixture
def smallest(tag: str) -> Service:
    """The app with the smallest image."""
    return min(load().apps, key=lambda app: docker.image_megabytes(f"{app.image}:{tag}"))


@pytest.fixture
def scratch_image() -> Iterator[str]:
    """The name of an image that a test makes; what it left is removed."""
    yield "nexus-test/scratch"
    engine.remove_images(["nexus-test/scratch", "nexus-test/scratch:first"])
    engine.remove_volumes("nexus-test_scratch")
