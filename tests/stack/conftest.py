"""Images of the stores alone, for tests that need no service."""

import pytest

from nexusctl import docker, images
from nexusctl.console import Steps
from nexusctl.workspace import load


@pytest.fixture(scope="session")
def stores() -> None:
    """The images of PostgreSQL and Redis, built where something changed."""
    docker.require_engine()
    images.build(Steps(), [service.name for service in load().stores], use_pack=True)
