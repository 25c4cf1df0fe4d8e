"""The images that workers of project.toml run: built by default, named on both paths, from descriptors of their own."""

from dataclasses import replace

import pytest

from nexusctl import base_images, builder, docker, images
from nexusctl.console import Steps
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


def test_a_flavour_with_a_folder_is_built_by_its_own_descriptor_and_dockerfile(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[tuple[str, ...]] = []
    monkeypatch.setattr(images, "pack_build", lambda *arguments: built.append(arguments))
    monkeypatch.setattr(images, "dockerfile_build", lambda *arguments: built.append(arguments))
    monkeypatch.setattr(docker, "image_megabytes", lambda _image: 1.0)
    for module in (base_images, builder):
        monkeypatch.setattr(module, "build", lambda *_arguments: None)
    for use_pack in (True, False):
        images.build(Steps(), ["workflow-runner"], use_pack=use_pack)
    descriptor = "apps/mcp-server/workflow-runner/project.toml"
    options = ("--run-image", "nexus/run", "--default-process", "runner", "--descriptor", descriptor)
    assert built == [
        ("workflow-runner", "mcp-server", *options),
        ("workflow-runner:dockerfile", "workflow-runner"),
    ]
