"""Behaviour of an image: run as in the compose file, observed from inside, restarted and stopped."""

import fcntl
import json
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from nexusctl import docker, secrets, shell
from nexusctl.errors import NexusError
from nexusctl.parity.facts import Facts
from nexusctl.stack import port_variable
from nexusctl.workspace import ROOT, STATE, load

_PROBE = Path(__file__).with_name("probe.py").read_text()
# Named after this tree, so that comparisons of two trees on one engine do not conflict.
PROJECT = f"nexus-parity-{sha256(bytes(ROOT)).hexdigest()[:8]}"
_NO_DRAIN = {"NEXUS_DRAIN_SECONDS": "0"}  # there is no load balancer to wait for
# As in docker-compose.production.yml, the largest of each, but with the image's own user.
_HARDENED = {
    "read_only": True,
    "tmpfs": ["/tmp:size=512m,mode=1777"],
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "init": True,
    "networks": ["inside"],
    "mem_limit": "1g",
    "cpus": 1,
    "pids_limit": 100,
}
_HEALTHY_SECONDS = 60
_SETTLE_SECONDS = 10
_POLL_SECONDS = 0.1
_LOG_LINES = 20
_KILLED = 128 + signal.SIGKILL


@dataclass(frozen=True)
class Side:
    """A compose project in which one of the two images of each pair runs."""

    project: str
    command: tuple[str, ...]
    environment: Mapping[str, str]

    def compose(self, *arguments: str) -> None:
        """Run a compose command on this project."""
        shell.run([*self.command, *arguments], log=self.project, env=self.environment)

    def container(self, service: str) -> str:
        """Return the id of a service's container, of the first of its replicas."""
        label = f"label=com.docker.compose.project={self.project}"
        ids = ["docker", "ps", "--all", "--quiet", "--filter", label]
        return shell.capture([*ids, "--filter", f"label=com.docker.compose.service={service}"]).partition("\n")[0]


@dataclass(frozen=True)
class Start:
    """The seconds from a container's start to the first 200, and its memory in MB at that point."""

    seconds: float | None
    memory: float | None


def stack(name: str, tag: str, images: Mapping[str, str]) -> Side:
    """Return the project that runs services of the production compose file.

    Args:
        name: of the side.
        tag: of the service images.
        images: service -> image, for services that are to run another image than that of their own.
    """
    secrets.ensure()
    command, environment = docker.compose(tag=tag)
    services: dict[str, dict[str, Any]] = {app.name: {"environment": _NO_DRAIN} for app in load().apps}
    for service, image in images.items():
        services[service] = services.get(service, {}) | {"image": image}
    files = ["-f", str(_write(name, {"services": services}))]
    # 0: any free port, since the stack itself may be up.
    ports = {port_variable(service): "0" for service in load().services if service.published}
    return _side(name, (*command, *files), {**environment, **ports})


def plain(name: str, images: Mapping[str, str]) -> Side:
    """Return the project that runs images alone, service -> image, under the same restrictions as a service."""
    command, environment = docker.compose(tag="latest")
    services = {service: {"image": image, "environment": _NO_DRAIN, **_HARDENED} for service, image in images.items()}
    file = _write(name, {"services": services, "networks": {"inside": {"internal": True}}})
    return _side(name, (*command[: command.index("-f")], "-f", str(file)), environment)


def _side(name: str, command: tuple[str, ...], environment: Mapping[str, str]) -> Side:
    return Side(f"{PROJECT}-{name}", command, {**environment, "COMPOSE_PROJECT_NAME": f"{PROJECT}-{name}"})


def _write(name: str, document: Mapping[str, Any]) -> Path:
    """Write a compose file, in JSON, which is YAML too."""
    path = STATE / "parity" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))
    return path


@contextmanager
def alone() -> Iterator[None]:
    """Take the lock for comparisons in this tree; raise NexusError if another one is running."""
    path = STATE / "parity" / "lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NexusError(
                "another comparison is running", f"a process holds {path.relative_to(ROOT)}", "wait until it is done"
            ) from error
        yield


@contextmanager
def running(side: Side, services: list[str]) -> Iterator[None]:
    """Start services with their dependencies, and wait until they are healthy; remove everything at the end."""
    side.compose("down", "--volumes", "--remove-orphans", "--timeout", "0")  # left by an interrupted run
    try:
        side.compose("up", "--detach", "--no-build", *services)
        for service in services:
            _wait(side.container(service))
        yield
    finally:
        side.compose("down", "--volumes", "--remove-orphans", "--timeout", "0")


def observe(side: Side, service: str) -> Facts:
    """Return the facts of a service's container; if it is not running, how it ended."""
    container = side.container(service)
    state = _state(container)
    if state["Status"] != "running":
        return {"state": {f"{state['Status']}, exit status {state['ExitCode']}": ""}}
    return {"state": {"running": ""}, **(_probe(container, "observe", _SETTLE_SECONDS) or {})}


def start(side: Side, service: str) -> Start:
    """Restart a service's container."""
    container = side.container(service)
    if _state(container)["Status"] != "running":
        return Start(None, None)
    shell.capture(["docker", "kill", container])
    shell.capture(["docker", "start", container])
    began = docker.timestamp(_state(container)["StartedAt"])
    answer = _probe(container, "await", _SETTLE_SECONDS) or {"answered": None, "memory": None}
    seconds = None if answer["answered"] is None else answer["answered"] - began
    return Start(seconds, answer["memory"])


def stop(side: Side, service: str) -> Facts:
    """Stop a service's running container by SIGTERM and return how it ended; one that was killed equals no other."""
    container = side.container(service)
    if _state(container)["Status"] != "running":
        return {}
    shell.capture(["docker", "stop", container])
    status = _state(container)["ExitCode"]
    ended = f"killed in {side.project}" if status == _KILLED else f"status {status}"
    return {"exit on SIGTERM": {ended: ""}}


def _probe(container: str, task: str, seconds: float) -> dict[str, Any] | None:
    """Return the probe's output; None if the image has no Python to run it."""
    command = ["docker", "exec", container, "python3", "-c", _PROBE, task, str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode in {126, 127}:
        return None
    if done.returncode != 0:
        raise _probe_failed(container, task, done.returncode, done.stderr.strip())
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _probe_failed(container: str, task: str, status: int, said: str) -> NexusError:
    """Return the error for a probe that did not finish; it also ends when its container does."""
    log = subprocess.run(
        ["docker", "logs", "--tail", str(_LOG_LINES), container],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    ).stdout.strip()
    return shell.failed(
        f"docker exec {container} python3 -c <probe> {task}", f"{said}\nthe container's log:\n{log}", status
    )


def _wait(container: str) -> None:
    """Wait until a container is healthy, is running where it has no health check, or has ended."""
    deadline = time.monotonic() + _HEALTHY_SECONDS
    while time.monotonic() < deadline:
        state = _state(container)
        if state["Status"] != "running" or state.get("Health", {}).get("Status", "healthy") != "starting":
            return
        time.sleep(_POLL_SECONDS)


def _state(container: str) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(shell.capture(["docker", "inspect", "--format", "{{json .State}}", container]))
    return state
