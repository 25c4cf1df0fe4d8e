"""`nexusctl new` makes a service that passes every check, builds on both paths to one image, and answers in the stack."""

import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from harness import engine
from harness.clone import WHEELS_AT_HAND, Outcome, clone, nexusctl, run, share_all_but_wheelhouse
from harness.figures import Figures
from harness.proofs import STACK_INPUTS, proof
from harness.stack import HEAL_SECONDS, Stack, compose, settings

from nexusctl import docker, environments, secrets
from nexusctl.console import Steps
from nexusctl.workspace import ROOT, STATE

GUIDE = ROOT / "docs" / "guides" / "add-a-service.md"
NAME = "test-service"
ANSWER = '{"text":"Hello, Ada!","language":"en"}'
STACK = Stack("nexus-test-new", "pack", gateway_port=18003, mcp_port=13003)
STARTED = ("postgres", "redis", "nexus-gateway", NAME)
HELD = ("CapDrop", "Init", "Memory", "NanoCpus", "PidsLimit", "ReadonlyRootfs", "RestartPolicy", "SecurityOpt", "Tmpfs")
BUDGET_MB, DOCUMENTED_MB, NEAR_MB = 110, 95, 5
POLL_SECONDS = 0.2
pytestmark = [
    proof("new service", *STACK_INPUTS, "docs", "libs", "tests", "tools"),
    pytest.mark.usefixtures("tag"),
    pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session"),
]


@pytest.fixture(scope="module")
def tree(tag: str) -> Iterator[Path]:
    """A clone in which the command has been given, with all that this tree has made for builds."""
    assert tag == "latest"
    folder = Path(tempfile.mkdtemp(prefix="nexus-new-"))
    folder.chmod(0o755)  # for the containers' users
    tree = clone(folder / "nexus", with_tests=True)
    share_all_but_wheelhouse(tree)
    secrets.ensure()
    environments.of_all_apps(Steps())  # fetches the wheels of types and tests
    for name in ("bin", "lifecycle", "pack", "secrets", "wheels"):
        shutil.copytree(STATE / name, tree / ".nexus" / name, symlinks=True, dirs_exist_ok=True)
    succeeded(nexusctl(tree, "new", NAME))
    yield tree
    shutil.rmtree(folder)
    engine.remove_images([f"{NAME}:latest", f"{NAME}:dockerfile"])
    engine.remove_volumes(f"_{NAME}_")


@pytest.fixture(scope="module")
def built(tree: Path) -> Path:
    """The same clone once the service is built on both paths; the shared build image is the same as before."""
    former = docker.image_id("nexus/build")
    succeeded(nexusctl(tree, "build", NAME, env=WHEELS_AT_HAND))
    succeeded(nexusctl(tree, "build", "--no-pack", NAME, env=WHEELS_AT_HAND))
    assert docker.image_id("nexus/build") == former
    return tree


def succeeded(outcome: Outcome) -> str:
    """Return what a command has printed."""
    assert outcome.status == 0, outcome.out + outcome.err
    return outcome.out


def test_types_and_unit_tests_pass(built: Path) -> None:
    assert "8 passed" in succeeded(nexusctl(built, "unit", NAME, env=WHEELS_AT_HAND))


def test_tree_passes_the_linter(built: Path) -> None:
    succeeded(nexusctl(built, "lint", env=WHEELS_AT_HAND))


def test_documents_still_say_what_is_so(built: Path) -> None:
    succeeded(nexusctl(built, "docs", env=WHEELS_AT_HAND))
    tests = ["tests/docs", "--ignore=tests/docs/test_example.py", "tests/tools/test_workspace.py"]
    succeeded(run([sys.executable, "-m", "pytest", "-q", *tests], built, {"PYTHONPATH": str(built / "tools")}))
    sizes = (built / "docs" / "concepts" / "build-pipeline.md").read_text()
    assert f"| `{NAME}` | {DOCUMENTED_MB} | {BUDGET_MB} |\n" in sizes


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("tag_of_path", ["latest", "dockerfile"])
def test_image_is_within_its_budget(tag_of_path: str, figures: Figures) -> None:
    size = docker.image_megabytes(f"{NAME}:{tag_of_path}")
    figures.at_most(f"size of a new service, {tag_of_path}", size, BUDGET_MB, "MB")
    assert abs(size - DOCUMENTED_MB) <= NEAR_MB


def test_both_paths_give_the_same_image(built: Path) -> None:
    succeeded(nexusctl(built, "parity", NAME))


@pytest.fixture
def started(built: Path) -> Iterator[None]:
    """The new service in a stack that has what it takes to reach it."""
    environment = settings(
        project=STACK.project, tag="latest", gateway_port=STACK.gateway_port, mcp_port=STACK.mcp_port
    )
    try:
        done = compose(built, environment, "up", "--detach", "--no-build", *STARTED)
        assert done.returncode == 0, done.stderr
        deadline = time.monotonic() + HEAL_SECONDS
        while unhealthy := [
            name for name in STARTED if STACK.container(name)["State"]["Health"]["Status"] != "healthy"
        ]:
            assert time.monotonic() < deadline, unhealthy
            time.sleep(POLL_SECONDS)
        yield
    finally:
        compose(built, environment, "down", "--volumes")


@pytest.mark.usefixtures("started")
def test_it_answers_as_the_guide_says_and_is_held_as_the_others_are() -> None:
    (example,) = re.findall(r"^```sh\n(TOKEN=.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    pasted = example.replace("localhost:8000", f"localhost:{STACK.gateway_port}").replace("pricing", NAME)
    assert run(["sh", "-ec", pasted], ROOT) == Outcome(0, ANSWER, "")
    assert f"The answer is `{ANSWER}`." in GUIDE.read_text()
    status = httpx.get(f"{STACK.gateway}/v1/status", trust_env=False).json()
    assert status["services"][NAME]["status"] == "ok"
    held, expected = (STACK.container(name)["HostConfig"] for name in (NAME, "nexus-gateway"))
    assert {key: held[key] for key in HELD} == {key: expected[key] for key in HELD}
    assert held["PortBindings"] in ({}, None)


def test_second_time_it_is_there_already(tree: Path) -> None:
    assert nexusctl(tree, "new", NAME) == Outcome(
        1,
        "",
        f"nexusctl: no service can be called '{NAME}'\n"
        "  found: project.toml has a service, a flavour or a worker of that name\n"
        "  to do: choose another name: words joined by dashes, such as price-list\n",
    )
