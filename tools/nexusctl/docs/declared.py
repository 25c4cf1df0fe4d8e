"""What the services declare, asked of their code in a container of the build image, whose Python they are written for."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nexusctl import base_images, environments
from nexusctl.console import Steps
from nexusctl.errors import NexusError
from nexusctl.workspace import ROOT, load

_TAIL_LINES = 15


@dataclass(frozen=True)
class Declared:
    """Settings of each app and each worker by its name, endpoints and problem types of each app, and those of every app.

    Each is a list of objects as `nexus_testkit.reference` prints them.
    """

    settings: dict[str, list[dict[str, Any]]]
    endpoints: dict[str, list[dict[str, Any]]]
    problems: dict[str, list[dict[str, Any]]]
    common_problems: list[dict[str, Any]]


def declared(steps: Steps) -> Declared:
    """Return what the apps of this tree declare; raise NexusError if one of them cannot be imported."""
    base_images.require(steps, load().base("nexus/build"))
    packages = {app.name: _package(app.name) for app in load().apps}
    command = _command(steps, [*packages.values(), *_packages_of_workers().values()])
    with steps.step("what the services declare"):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NexusError(
            "the services cannot be described",
            "\n".join(done.stderr.splitlines()[-_TAIL_LINES:]),
            "fix the service that it names; its unit tests (`make unit`) say more",
        )
    return _parsed(done.stdout.splitlines()[-1], packages)


def _package(app: str) -> str:
    return app.replace("-", "_")


def _packages_of_workers() -> dict[str, str]:
    """The package of each worker that has settings of its own: that of its process, in the app's."""
    packages = {worker.name: (_package(worker.app), worker.process) for worker in load().workers}
    return {
        name: f"{package}.{process}"
        for name, (package, process) in packages.items()
        if (ROOT / "apps" / package.replace("_", "-") / package / process / "settings.py").exists()
    }


def _command(steps: Steps, packages: Sequence[str]) -> list[str]:
    apps = [f"/src/apps/{app.name}" for app in load().apps]
    search = [*apps, "/src/libs/chassis/src", "/src/libs/testkit/src", "/environment"]
    return [
        *("docker", "run", "--rm", "--network", "none", "--user", str(load().user_id), "--tmpfs", "/tmp:mode=1777"),
        *("--volume", f"{ROOT}:/src:ro", "--volume", f"{environments.of_all_apps(steps)}:/environment:ro"),
        *("--env", f"PYTHONPATH={':'.join(search)}", "--env", "PYTHONDONTWRITEBYTECODE=1"),
        *("nexus/build", "python3", "-m", "nexus_testkit.reference", *packages),
    ]


def _parsed(line: str, packages: dict[str, str]) -> Declared:
    found = json.loads(line)
    services = {name: found["services"][package] for name, package in packages.items()}
    all_processes = {**packages, **_packages_of_workers()}
    return Declared(
        settings={name: found["services"][package]["settings"] for name, package in all_processes.items()},
        endpoints={name: service["endpoints"] for name, service in services.items()},
        problems={name: service["problems"] for name, service in services.items()},
        common_problems=found["problems"],
    )
