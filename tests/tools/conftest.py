"""Clones of the tree for the tests of the tools."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.clone import clone


@pytest.fixture
def tree() -> Iterator[Path]:
    """A copy of this tree in a folder that every user may enter, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="nexus-tree-"))
    folder.chmod(0o755)
    yield clone(folder / "nexus")
    shutil.rmtree(folder)
