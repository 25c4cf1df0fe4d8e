"""The images that workers of project.toml run: built by default, and named on both paths."""

from dataclasses import replace

import pytest

from nexusctl import images
from nexusctl.workspace import Flavour, Limits, Worker, load

LIMITS = Limits("64m", 1, 20)
RUNNER = Flavour("runner", "mcp-server", "nexus/run", "runner", 110, None)
OF_APP = Worker("relay", "dataflow-service", "dataflow-service", "relay", 30, LIMITS, 1)
OF_FLAVOUR = Worker("workflow-runner", "mcp-server", "runner", "runner", 30, LIMITS, 1)


@pytest.fixture(autouse=True)
def with_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A project.toml with a worker of an app and one of a flavour."""
    workspace = replace(load(), flavours=(*load().flavours, RUNNER), workers=(OF_APP, OF_FLAVOUR))
    monkeypatch.setattr(images, "load", lambda: workspace)


def test_what_is_built_without_a_name_has_the_flavours_that_workers_run() -> None:
    assert images.select(()) == (list(load().services), [RUNNER])


@pytest.mark.parametrize(
    ("worker", "use_pack", "image"),
    [
        (OF_APP, True, "dataflow-service:latest"),
        (OF_APP, False, "dataflow-service:dockerfile"),
        (OF_FLAVOUR, True, "runner:latest"),
        (OF_FLAVOUR, False, "runner:dockerfile"),
    ],
)
def test_image_of_a_worker(worker: Worker, use_pack: bool, image: str) -> None:  # noqa: FBT001 # a parameter of pytest
    assert images.image_of(worker, use_pack=use_pack) == image
