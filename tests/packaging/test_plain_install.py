"""Each app and worker on a plain `pip install` of its lock, which is how the buildpacks of builder.paketo.toml install it."""

import json
import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import engine
from harness.proofs import STACK_INPUTS, proof
from harness.stack import Stack, compose, settings

from nexusctl import images, secrets
from nexusctl.console import Steps
from nexusctl.workspace import APPS, COMPOSE_FILE, ROOT, Service, Worker, load

BUILDER = ROOT / "buildpacks" / "builder" / "builder.paketo.toml"
EACH_APP = pytest.mark.parametrize("app", load().apps, ids=lambda app: app.name)
pytestmark = proof("plain installs", *STACK_INPUTS)
START_SECONDS = 120  # without bytecode, all at once


@dataclass(frozen=True)
class Installed:
    """A process of the stack: the folder of its app, the one with its lock, and its line of the Procfile."""

    name: str
    folder: Path
    locked: Path
    process: str


def processes() -> list[Installed]:
    """Return all processes of the stack that are written in Python."""
    folders = {flavour.name: flavour.folder for flavour in load().flavours}
    apps = [Installed(app.name, app.folder, app.folder, "web") for app in load().apps]
    workers = [
        Installed(
            worker.name,
            APPS / worker.app,
            folders.get(worker.image) or APPS / worker.app,
            worker.process,
        )
        for worker in load().workers
    ]
    return apps + workers


def pip_settings() -> dict[str, str]:
    """Return what the builder sets for pip."""
    variables = tomllib.loads(BUILDER.read_text())["build"]["env"]
    return {item["name"]: item["value"] for item in variables if item["name"].startswith("PIP_")}


def leaves_out(process: Installed) -> list[str]:
    """Return the dependencies that a process's lock leaves out."""
    project = tomllib.loads((process.locked / "pyproject.toml").read_text())
    return list(project.get("tool", {}).get("uv", {}).get("exclude-dependencies", []))


def install(process: Installed, target: Path) -> None:
    """Install a process's lock into an empty folder; where the lock is whole, pip looks for no setting of ours."""
    target.mkdir()
    target.chmod(0o755)  # for the user of the run image
    variables = pip_settings() if leaves_out(process) else {}
    engine.docker(
        *("run", "--rm", "--network", "none", "--user", f"{os.getuid()}:{os.getgid()}"),
        *(part for name, value in variables.items() for part in ("--env", f"{name}={value}")),
        *("--volume", f"{process.locked}:/locked:ro", "--volume", f"{target}:/plain", "nexus/build"),
        *("python3", "-m", "pip", "install", "--quiet", "--require-hashes", "--target", "/plain"),
        *("--requirement", "/locked/requirements.txt"),
    )


def in_place_of_image(process: Installed, packages: Path) -> dict[str, Any]:
    """Return what compose needs to start the process in the run image."""
    start = f"{process.process}:"
    line = next(line for line in (process.folder / "Procfile").read_text().splitlines() if line.startswith(start))
    return {
        "image": "nexus/run",
        "entrypoint": line.removeprefix(start).split(),
        "volumes": [f"{process.folder}:/workspace:ro", f"{packages}:/plain:ro"],
        "environment": {"PYTHONPATH": "/plain"},
    }


@pytest.fixture(scope="module")
def plain_stack(bases: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:  # noqa: ARG001  images exist
    """The stack of the compose file, with plain installs in the place of the apps' images."""
    images.build(Steps(), [store.name for store in load().stores], use_pack=True)
    secrets.ensure()
    folder = tmp_path_factory.mktemp("plain")
    for process in processes():
        install(process, folder / process.name)
    override = folder / "override.json"
    services = {process.name: in_place_of_image(process, folder / process.name) for process in processes()}
    override.write_text(json.dumps({"services": services}))
    stack = Stack("nexus-test-plain", "plain", 18700, 13700)
    environment = settings(project=stack.project, tag="none", gateway_port=18700, mcp_port=13700)
    files = ("-f", str(override))
    try:
        up = compose(COMPOSE_FILE.parent, environment, *files, "up", "--detach", "--no-build")
        assert up.returncode == 0, f"{up.stdout}{up.stderr}{stack.logs()}"
        stack.wait_until_healthy(START_SECONDS)
        yield stack
    finally:
        compose(COMPOSE_FILE.parent, environment, *files, "down", "--volumes", "--timeout", "5")


@EACH_APP
def test_app_starts_on_a_plain_install_of_its_lock(plain_stack: Stack, app: Service) -> None:
    answer = httpx.get(f"{plain_stack.address(app)}/livez", timeout=5, trust_env=False)

    assert answer.status_code == 200
    assert plain_stack.container(app.name)["Config"]["Image"] == "nexus/run"


@pytest.mark.parametrize("worker", load().workers, ids=lambda worker: worker.name)
def test_worker_starts_on_a_plain_install_of_its_lock(plain_stack: Stack, worker: Worker) -> None:
    documents = plain_stack.containers(worker.name)
    assert [document["Config"]["Image"] for document in documents] == ["nexus/run"] * worker.replicas
    assert [document["State"]["Health"]["Status"] for document in documents] == ["healthy"] * worker.replicas


def test_a_lock_that_leaves_dependencies_out_needs_the_setting_of_the_builder() -> None:
    assert pip_settings()["PIP_NO_DEPS"] == "1"
    assert [process.name for process in processes() if leaves_out(process)] == [
        "classification-service",
        "workflow-runner",
    ]
