"""The examples of the README and of `make up` work as pasted."""

import json
import re
import subprocess
from typing import Any

import pytest
from documents import BUILDING, PRODUCTION, README, fences, plain, table
from harness import engine
from harness.stack import Stack

from nexusctl import docker
from nexusctl.console import out
from nexusctl.stack import _welcome
from nexusctl.workspace import ROOT, load

CODE = ("27112703", "Power drills")
NEAR_MB = 5

# How the images were built makes no difference here.
pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")


def pasted(commands: str) -> list[dict[str, Any]]:
    """Run commands in a shell in the root of the tree; return the JSON documents that they print."""
    done = subprocess.run(["sh", "-e"], input=commands, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    answers, rest, decoder = [], done.stdout.strip(), json.JSONDecoder()
    while rest:
        answer, end = decoder.raw_decode(rest)
        answers.append(answer)
        rest = rest[end:].strip()
    return answers


def test_example_in_the_readme(stack: Stack) -> None:
    (block,) = (block for block in fences(README, "sh") if "TOKEN" in block)
    port = load().services[0].port
    row, classified = pasted(block.replace(f"localhost:{port}", f"localhost:{stack.gateway_port}"))
    assert row["name"] == "cordless drill 18V"
    assert [(item["code"], item["title"]) for item in classified["items"]] == [CODE]
    assert f'"code":"{CODE[0]}","title":"{CODE[1]}"' in README.read_text()


def test_example_that_make_up_prints(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXUS_GATEWAY_PORT", str(stack.gateway_port))
    with out.capture() as printed:
        out.print(_welcome(), soft_wrap=True)
    _, _, commands = printed.get().partition("Try it:\n")
    assert f"localhost:{stack.gateway_port}" in commands
    (classified,) = pasted(commands)
    assert [(item["code"], item["title"]) for item in classified["items"]] == [CODE]


@pytest.mark.usefixtures("stack")
def test_documented_sizes_are_near_the_truth() -> None:
    sizes = table(BUILDING, "Image sizes", "image")
    images = [plain(cell) for cell in sizes.column("image")]
    written = dict(zip(images, map(float, sizes.column("MB")), strict=True))
    measured = {image: docker.image_megabytes(image) for image in images if docker.image_id(image)}
    assert {service.image for service in load().services} <= set(measured)
    wrong = {image: measured[image] for image in measured if abs(measured[image] - written[image]) > NEAR_MB}
    assert wrong == {}


@pytest.mark.usefixtures("stack")
def test_metrics_are_read_as_the_guide_says(stack: Stack) -> None:
    (program,) = re.findall(r'exec -T nexus-gateway python3 -c "([^"]+)"', PRODUCTION.read_text())
    metrics = engine.docker("exec", stack.container("nexus-gateway")["Id"], "python3", "-c", program)
    assert "# TYPE http_request_duration_seconds histogram" in metrics.splitlines()
