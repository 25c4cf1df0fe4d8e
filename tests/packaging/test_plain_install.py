"""Each app on a plain `pip install` of its lock, which is how the buildpacks of builder.paketo.toml install it."""

import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import engine
from harness.proofs import STACK_INPUTS, proof
from harness.stack import Stack, compose, settings

from nexusctl import images, secrets
from nexusctl.console import Steps
from nexusctl.workspace import COMPOSE_FILE, ROOT, Service, load

BUILDER = ROOT / "buildpacks" / "builder" / "builder.paketo.toml"
APPS = pytest.mark.parametrize("app", load().apps, ids=lambda app: app.name)
pytestmark = proof("plain installs", *STACK_INPUTS)
START_SECONDS = 120  # without bytecode, all four at once


def pip_settings() -> dict[str, str]:
    """Return what the builder sets for pip."""
    variables = tomllib.loads(BUILDER.read_text())["build"]["env"]
    return {item["name"]: item["value"] for item in variables if item["name"].startswith("PIP_")}


def leaves_out(app: Service) -> list[str]:
    """Return the dependencies that an app's lock leaves out."""
    project = tomllib.loads((app.folder / "pyproject.toml").read_text())
    return list(project.get("tool", {}).get("uv", {}).get("exclude-dependencies", []))


def install(app: Service, target: Path) -> None:
    """Install an app's lock into an empty folder; where the lock is whole, pip looks for no setting of ours."""
    target.mkdir()
    target.chmod(0o755)  # for the user of the run image
    variables = pip_settings() if leaves_out(app) else {}
    engine.docker(
        *("run", "--rm", "--network", "none", "--user", f"{os.getuid()}:{os.getgid()}"),
        *(part for name, value in variables.items() for part in ("--env", f"{name}={value}")),
        *("--volume", f"{app.folder}:/app:ro", "--volume", f"{target}:/plain", "nexus/build"),
        *("python3", "-m", "pip", "install", "--quiet", "--require-hashes", "--target", "/plain"),
        *("--requirement", "/app/requirements.txt"),
    )


def in_place_of_image(app: Service, packages: Path) -> dict[str, Any]:
    """Return what compose needs to start the app's own process in the run image."""
    web = next(line for line in (app.folder / "Procfile").read_text().splitlines() if line.startswith("web:"))
    return {
        "image": "nexus/run",
        "command": web.removeprefix("web:").split(),
        "volumes": [f"{app.folder}:/workspace:ro", f"{packages}:/plain:ro"],
        "environment": {"PYTHONPATH": "/plain"},
    }


@pytest.fixture(scope="module")
def plain_stack(bases: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:  # noqa: ARG001  images exist
    """The stack of the compose file, with plain installs in the place of the apps' images."""
    images.build(Steps(), [store.name for store in load().stores], use_pack=True)
    secrets.ensure()
    folder = tmp_path_factory.mktemp("plain")
    for app in load().apps:
        install(app, folder / app.name)
    override = folder / "override.json"
    services = {app.name: in_place_of_image(app, folder / app.name) for app in load().apps}
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


@APPS
def test_app_starts_on_a_plain_install_of_its_lock(plain_stack: Stack, app: Service) -> None:
    answer = httpx.get(f"{plain_stack.address(app)}/livez", timeout=5, trust_env=False)

    assert answer.status_code == 200
    assert plain_stack.container(app.name)["Config"]["Image"] == "nexus/run"


def test_a_lock_that_leaves_dependencies_out_needs_the_setting_of_the_builder() -> None:
    assert pip_settings()["PIP_NO_DEPS"] == "1"
    assert [app.name for app in load().apps if leaves_out(app)] == ["classification-service"]
