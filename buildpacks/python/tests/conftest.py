import shutil
from pathlib import Path

import pytest
from lifecycle import Lifecycle

APPLICATION = Path(__file__).parent / "application"


@pytest.fixture
def application(lifecycle: Lifecycle) -> Lifecycle:
    """Return a lifecycle whose application builds."""
    shutil.copytree(APPLICATION, lifecycle.app, dirs_exist_ok=True)
    return lifecycle
