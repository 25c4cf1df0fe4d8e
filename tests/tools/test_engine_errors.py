"""No engine, no right to use it, a port that is taken: each is said in full, before anything is made."""

import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import engine
from harness.clone import AS_NOBODY, Outcome, edit, nexusctl, run

from nexusctl.workspace import Service, load

NO_ENGINE = "unix:///nonexistent/docker.sock"
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")


def what_docker_says(**env: str) -> str:
    done = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip()


@pytest.fixture
def listener() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def made_in(tree: Path) -> list[str]:
    return sorted(path.name for path in (tree / ".nexus").iterdir())


@pytest.mark.parametrize(
    "command", ["up", "build", "base", "builder", "rebase", "unit", "down", "status", "sbom", "audit"]
)
def test_engine_that_does_not_run(tree: Path, command: str) -> None:
    outcome = nexusctl(tree, command, env={"DOCKER_HOST": NO_ENGINE})
    says = what_docker_says(DOCKER_HOST=NO_ENGINE)
    assert outcome == Outcome(
        1,
        "",
        "nexusctl: the Docker engine does not answer\n"
        f"  found: {says}\n"
        "  to do: start it (as root: `systemctl start docker`; `make up` as root on Debian also installs it), "
        "then try again\n",
    )
    assert made_in(tree) == []


@AS_ROOT
def test_user_who_may_not_use_the_engine(tree: Path) -> None:
    outcome = nexusctl(tree, "up", as_nobody=True)
    assert (outcome.status, outcome.out) == (1, "")
    what, found, remedy = outcome.err.splitlines()
    assert what == "nexusctl: this user may not use the Docker engine"
    assert found.startswith("  found: permission denied")
    assert remedy == (
        "  to do: become root, or join the group docker (as root: `usermod -aG docker USER`) and log in again"
    )
    assert made_in(tree) == []


def test_wrapper_says_which_programs_are_missing(tree: Path, tmp_path: Path) -> None:
    for name in ("cat", "dirname", "mkdir", "sed", "sh"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")  # whoever runs the tests
    (tmp_path / "id").chmod(0o755)
    outcome = run([tree / "tools" / "nexus", "up"], tree, {"PATH": str(tmp_path)})
    client = "" if platform.freedesktop_os_release().get("VERSION_ID") == "12" else "docker-cli "
    packages = f"python3 python3-venv docker.io {client}docker-compose curl"
    assert outcome == Outcome(
        1,
        "",
        "nexus: some programs are missing\n"
        f"  found: no {packages}\n"
        f"  to do: as root on Debian: apt-get install {packages}; elsewhere: install the equivalent\n",
    )


@AS_ROOT
def test_wrapper_leaves_the_state_of_another_user_alone(tree: Path) -> None:
    outcome = run([*AS_NOBODY, tree / "tools" / "nexus", "up"], tree)
    assert outcome == Outcome(
        1,
        "",
        "nexus: the folder .nexus cannot be written\n"
        "  found: it belongs to root, and this is nobody\n"
        "  to do: run as that user, or remove .nexus (secrets lie in it: docs/guides/run-in-production.md)\n",
    )


@pytest.mark.parametrize("service", [item for item in load().services if item.published], ids=lambda item: item.name)
def test_port_that_another_program_has(tree: Path, listener: int, free_port: int, service: Service) -> None:
    variables = {"nexus-gateway": "NEXUS_GATEWAY_PORT", "mcp-server": "NEXUS_MCP_PORT"}
    ports = {name: str(listener if name == service.name else free_port) for name in variables}
    environment = {variables[name]: port for name, port in ports.items()} | {"COMPOSE_PROJECT_NAME": "nexus-test-port"}
    outcome = nexusctl(tree, "up", env=environment)
    variable = variables[service.name]
    assert outcome == Outcome(
        1,
        "",
        f"nexusctl: port {listener} is needed for {service.name}\n"
        f"  found: another program listens on it (`ss -ltnp 'sport = :{listener}'` names it)\n"
        f"  to do: stop that program, or choose another port: `{variable}={service.port + 10000} make up`\n",
    )
    assert engine.containers("nexus-test-port") == []


def test_error_text_is_printed_as_it_is(tree: Path) -> None:
    host = "unix:///nonexistent[/bold]/[red]docker.sock"
    outcome = nexusctl(tree, "status", env={"DOCKER_HOST": host})
    assert outcome.err.splitlines()[1] == f"  found: {what_docker_says(DOCKER_HOST=host)}"


def test_entry_that_project_toml_lacks(tree: Path) -> None:
    edit(tree / "project.toml", 'kind = "app"\nport = 3000\n', 'kind = "app"\n')
    outcome = nexusctl(tree, "status")
    assert outcome == Outcome(
        1,
        "",
        "nexusctl: project.toml is incomplete\n"
        "  found: nexus.services.mcp-server has no `port`\n"
        "  to do: add it; docs/concepts/build-pipeline.md lists what each entry says\n",
    )


FIRST_WORKER = f"[nexus.workers.{load().workers[0].name}]\n"
WORKER = """[nexus.workers.relay]
image = "dataflow-service"
process = "relay"
heartbeat-seconds = 30
memory = "256m"
cpus = 0.5
pids = 50
"""


@pytest.mark.parametrize("entry", ["image", "process", "heartbeat-seconds", "memory", "cpus", "pids"])
def test_entry_that_a_worker_lacks(tree: Path, entry: str) -> None:
    worker = "".join(line for line in WORKER.splitlines(keepends=True) if not line.startswith(f"{entry} "))
    edit(tree / "project.toml", FIRST_WORKER, f"{worker}\n{FIRST_WORKER}")
    outcome = nexusctl(tree, "status")
    assert outcome == Outcome(
        1,
        "",
        "nexusctl: project.toml is incomplete\n"
        f"  found: nexus.workers.relay has no `{entry}`\n"
        "  to do: add it; docs/concepts/build-pipeline.md lists what each entry says\n",
    )


def test_worker_of_an_image_that_nothing_builds(tree: Path) -> None:
    worker = WORKER.replace("dataflow-service", "redis")
    edit(tree / "project.toml", FIRST_WORKER, f"{worker}\n{FIRST_WORKER}")
    outcome = nexusctl(tree, "status")
    images = ", ".join([app.name for app in load().apps] + [flavour.name for flavour in load().flavours])
    assert outcome == Outcome(
        1,
        "",
        "nexusctl: nothing builds the image of the worker relay\n"
        '  found: nexus.workers.relay of project.toml has image = "redis"\n'
        f"  to do: set it to an app or a flavour: {images}\n",
    )


def test_project_toml_that_is_no_toml(tree: Path) -> None:
    (tree / "project.toml").write_text("[nexus\n")
    outcome = nexusctl(tree, "status")
    assert (outcome.status, outcome.out) == (1, "")
    what, found, remedy = outcome.err.splitlines()
    assert what == "nexusctl: project.toml cannot be read"
    assert found.startswith("  found: ")
    assert remedy == "  to do: fix the line that it names"


def test_unknown_service(tree: Path) -> None:
    known = ", ".join([item.name for item in load().services] + [item.name for item in load().flavours])
    outcome = nexusctl(tree, "build", "gateway")
    assert outcome == Outcome(1, "", f"nexusctl: no such service\n  found: gateway\n  to do: use one of: {known}\n")
