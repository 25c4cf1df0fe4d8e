"""The image for a GPU, on a machine without one: within its budget, on the CPU, and it says so."""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from harness import engine, flavours
from harness.builds import pack_build
from harness.clone import run
from harness.figures import Figures
from harness.proofs import IMAGE_INPUTS, proof

from nexusctl import docker, images
from nexusctl.console import Steps
from nexusctl.workspace import APPS, ROOT, Flavour, load

NO_DRIVER = "there is no NVIDIA driver: libcuda.so.1 cannot be loaded"
LIMIT_SECONDS = 60
CONTAINER = "nexus-test-cuda"
CUDA = pytest.mark.parametrize(
    "flavour", [flavour for flavour in load().flavours if flavour.accelerator], ids=lambda flavour: flavour.name
)


pytestmark = proof(
    "cuda", *IMAGE_INPUTS, "tools/nexusctl/cuda.py", "tools/nexusctl/parity", "tests/harness/flavours.py"
)


@pytest.fixture
def container() -> Iterator[str]:
    """The name of a container that a test starts; it is removed."""
    yield CONTAINER
    engine.docker("rm", "--force", "--volumes", CONTAINER)


def start(image: str, *options: str) -> None:
    engine.docker("run", "--detach", "--init", "--name", CONTAINER, *flavours.HARDENED, *options, image)


def health() -> str:
    """Wait until the container's health check has an answer, or the container has ended; return which."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while (state := engine.inspect(CONTAINER)["State"])["Health"]["Status"] == "starting" and state["Running"]:
        assert time.monotonic() < deadline, engine.last_log(CONTAINER)
        time.sleep(0.05)
    return str(state["Health"]["Status"]) if state["Running"] else f"ended with status {state['ExitCode']}"


def log_of(logger: str) -> list[dict[str, Any]]:
    """Return the lines of one logger, without their times."""
    entries = [json.loads(line) for line in engine.last_log(CONTAINER).splitlines() if line.startswith("{")]
    return [{name: entry[name] for name in entry if name != "time"} for entry in entries if entry["logger"] == logger]


@CUDA
def test_image_is_within_its_budget(flavour: Flavour, build_path: str, figures: Figures) -> None:
    started = time.monotonic()
    image = flavours.build(flavour, build_path)
    figures.note(f"build of {image}", engine.seconds(started))
    size = docker.image_megabytes(image)
    figures.at_most(f"size of {image}", size, flavour.budget_mb, "MB")


@CUDA
def test_without_a_gpu_it_serves_on_the_cpu_and_says_why(
    flavour: Flavour, build_path: str, container: str, figures: Figures
) -> None:
    image = flavours.build(flavour, build_path)
    started = time.monotonic()
    start(image)
    assert health() == "healthy", engine.last_log(container)
    figures.note(f"docker run to healthy, {image}", engine.seconds(started))
    chosen = {"device": "cpu", "reason": NO_DRIVER}
    of_launcher = {"level": "warning", "logger": "nexus/accelerator", "message": "device cpu", **chosen}
    of_service = {
        "level": "info",
        "service": flavour.app,
        "logger": "classification_service.encoder.backend",
        "message": "the encoder computes on the CPU with ONNX Runtime",
        **chosen,
    }
    assert log_of("nexus/accelerator") == ([of_launcher] if build_path == "pack" else [])
    assert log_of("classification_service.encoder.backend") == ([] if build_path == "pack" else [of_service])


@CUDA
def test_a_gpu_that_is_asked_for_and_not_there_ends_the_start(
    flavour: Flavour, build_path: str, container: str
) -> None:
    start(flavours.build(flavour, build_path), "--env", "NEXUS_DEVICE=cuda")
    assert health() == "ended with status 78"
    assert f"NEXUS_DEVICE is cuda, and {NO_DRIVER}. Start the image classification-service:cuda" in engine.last_log(
        container
    )


@CUDA
def test_both_ways_to_build_give_the_same_image(flavour: Flavour) -> None:
    pair = [flavours.build(flavour, path) for path in ("pack", "dockerfile")]
    command = [sys.executable, "-m", "nexusctl", "parity", flavour.app, "--images", *pair]
    outcome = run(command, ROOT, {"PYTHONPATH": str(ROOT / "tools"), "NO_COLOR": "1"})
    assert (outcome.status, outcome.err) == (0, ""), outcome.out


@CUDA
@pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")
def test_a_cold_build_gives_the_same_image(
    flavour: Flavour, build_path: str, scratch_image: str, figures: Figures
) -> None:
    image = flavours.build(flavour, build_path)
    started = time.monotonic()
    options = images.pack_options(Steps(), flavour)
    outcome = pack_build(scratch_image, APPS / flavour.app, "--clear-cache", *options)
    figures.note(f"cold pack build of {image}", engine.seconds(started))
    assert outcome.status == 0, outcome.out + outcome.err
    assert docker.image_id(scratch_image) == docker.image_id(image)
