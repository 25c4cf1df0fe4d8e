"""A running stack of docker-compose.production.yml, and the clients that talk to it."""

import os
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pytest_docker.plugin import get_docker_services

from harness import engine
from nexusctl import docker, secrets
from nexusctl.workspace import COMPOSE_FILE, Service, Worker, load

HEAL_SECONDS = 60
"""How long the stack may take to be whole again after a container has died."""

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Stack:
    """A compose project that is up. `path` tells how its images were built: pack or dockerfile."""

    project: str
    path: str
    gateway_port: int
    mcp_port: int

    @property
    def gateway(self) -> str:
        """Where the gateway is published."""
        return f"http://localhost:{self.gateway_port}"

    def container(self, service: str) -> engine.Inspected:
        """Return the engine's document of a service's only container."""
        (document,) = self.containers(service)
        return document

    def containers(self, process: str) -> list[engine.Inspected]:
        """Return the engine's document of each container of a service or a worker."""
        return [engine.inspect(name) for name in engine.containers(self.project, process)]

    def address(self, service: Service) -> str:
        """Return the address of a service's container itself, which the host reaches whether it is published or not."""
        networks = self.container(service.name)["NetworkSettings"]["Networks"]
        return f"http://{networks[f'{self.project}_backend']['IPAddress']}:{service.port}"

    def health(self, service: Service) -> httpx.Response:
        """Ask an app for its health; raises httpx.TransportError where nobody answers."""
        return httpx.get(f"{self.address(service)}/health", timeout=5, trust_env=False)

    def unhealthy(self) -> list[str]:
        """Return a line for each container that is missing or not healthy, by the engine and by its own answer."""
        return [fault for process in load().processes for fault in self._faults(process)]

    def wait_until_healthy(self, limit: float = HEAL_SECONDS) -> None:
        """Wait until every service is healthy; fail with what is not."""
        deadline = time.monotonic() + limit
        while faults := self.unhealthy():
            if time.monotonic() > deadline:
                pytest.fail(f"not healthy within {limit:g} s:\n" + "\n".join(faults))
            time.sleep(_POLL_SECONDS)

    def logs(self) -> str:
        """Return the end of each container's log."""
        names = [engine.inspect(name)["Name"].lstrip("/") for name in engine.containers(self.project)]
        return "\n".join(f"--- {name}\n{engine.last_log(name)}" for name in names)

    def _faults(self, process: Service | Worker) -> Iterator[str]:
        states = [document["State"] for document in self.containers(process.name)]
        if len(states) != process.replicas:
            yield f"{process.name}: {len(states)} of {process.replicas} containers"
        bad = [state for state in states if not is_healthy(state)]
        yield from (f"{process.name}: {state['Status']}, {state['Health']['Status']}" for state in bad)
        if not bad and isinstance(process, Service) and process.kind == "app":
            yield from self._faults_of_answer(process)

    def _faults_of_answer(self, service: Service) -> Iterator[str]:
        try:
            answer = self.health(service)
        except httpx.TransportError as error:
            yield f"{service.name}: healthy, but /health: {error}"
        else:
            if answer.json()["status"] != "ok":
                yield f"{service.name}: healthy, but /health: {answer.text}"


def is_healthy(state: Mapping[str, Any]) -> bool:
    """Whether a container is running, and healthy by its own check."""
    return (state["Status"], state["Health"]["Status"]) == ("running", "healthy")


def settings(*, project: str, tag: str, gateway_port: int, mcp_port: int) -> dict[str, str]:
    """Return the environment for a stack beside the one that `make up` may have started."""
    return docker.compose(tag=tag)[1] | {
        "COMPOSE_PROJECT_NAME": project,
        "NEXUS_GATEWAY_PORT": str(gateway_port),
        "NEXUS_MCP_PORT": str(mcp_port),
        "NEXUS_ISSUER": f"http://localhost:{gateway_port}",
        "NEXUS_PUBLIC_URL": f"http://localhost:{mcp_port}",
    }


def compose_command() -> list[str]:
    """Return the compose command of this machine without its file."""
    return docker.compose(tag="latest")[0][:-2]


def compose(folder: Path, environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run compose on the compose file in `folder`."""
    return subprocess.run(
        [*compose_command(), "-f", COMPOSE_FILE.name, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def running(stack: Stack, tag: str) -> Iterator[float]:
    """Bring the stack up and give the seconds to all healthy; take it down with its volumes in any case."""
    secrets.ensure()
    environment = settings(project=stack.project, tag=tag, gateway_port=stack.gateway_port, mcp_port=stack.mcp_port)
    # As part of the command: what is set for this stack must not reach the commands of other tests.
    command = ["env", *(f"{name}={value}" for name, value in environment.items()), *compose_command()]
    down = ["down --volumes --remove-orphans"]
    with get_docker_services(shlex.join(command), str(COMPOSE_FILE), stack.project, down, down):
        started = time.monotonic()
        done = compose(COMPOSE_FILE.parent, environment, "up", "--detach", "--no-build")
        if done.returncode != 0:
            pytest.fail(f"compose up failed:\n{done.stdout}{done.stderr}\n{stack.logs()}", pytrace=False)
        stack.wait_until_healthy(limit=120)
        yield time.monotonic() - started


@contextmanager
def login(stack: Stack) -> Iterator[httpx.Client]:
    """Log in as the bootstrap admin; give a client of the gateway that carries the token."""
    with httpx.Client(base_url=stack.gateway, timeout=30, trust_env=False) as client:
        answer = client.post("/v1/sessions", json={"username": "admin", "password": secrets.read("admin_password")})
        assert answer.status_code == 201, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client
