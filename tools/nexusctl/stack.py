"""The stack of docker-compose.production.yml: up, down, status, logs."""

import json
import os
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from nexusctl import docker, images, secrets, shell
from nexusctl.console import Steps, out, table
from nexusctl.errors import NexusError
from nexusctl.workspace import ROOT, Service, Worker, load

_WAIT_SECONDS = 180
_POLL_SECONDS = 0.5
_LOG_LINES = 20


@dataclass(frozen=True)
class Container:
    """One container of the stack as the engine sees it."""

    service: str
    name: str
    state: str
    health: str
    started: float

    @property
    def ready(self) -> bool:
        """Running, and healthy by its own health check."""
        return (self.state, self.health) == ("running", "healthy")


def up(steps: Steps, *, use_pack: bool) -> None:
    """Build what is missing, start the stack, wait until all is healthy, and say how to use it."""
    docker.require_engine()
    secrets.ensure()
    _require_free_ports()
    images.build(steps, (), use_pack=use_pack)
    with steps.step("start"):
        _reload_redis_users(tag=_tag(use_pack=use_pack))
        _compose("up", "--detach", "--remove-orphans", tag=_tag(use_pack=use_pack))
    with steps.step("wait until healthy"):
        _wait()
    status()
    out.print(_welcome(), soft_wrap=True)


def down(*, volumes: bool) -> None:
    """Stop and remove the containers; with `volumes` also the data."""
    options = ["--volumes"] if volumes else []
    _compose("down", "--remove-orphans", *options, tag="latest", with_optional=True)


def status() -> None:
    """Print a table of the containers."""
    known = {process.name: process for process in load().stated}
    rows = [
        [item.service, item.state, item.health, _address(known[item.service])]
        for item in containers()
        if item.service in known
    ]
    table("Stack", ("service", "state", "health", "address"), rows)


def logs(names: list[str], *, follow: bool) -> None:
    """Show the containers' logs."""
    command, environment = docker.compose(tag="latest", with_optional=True)
    options = ["--follow"] if follow else []
    done = subprocess.run(
        [*command, "logs", *options, *names], cwd=ROOT, env={**os.environ, **environment}, check=False
    )
    if done.returncode != 0:
        raise NexusError("the logs cannot be shown", "see the message above", "`make status` lists the services")


def containers() -> list[Container]:
    """Return the stack's containers in the order of project.toml."""
    label = f"label=com.docker.compose.project={docker.project()}"
    ids = shell.capture(["docker", "ps", "--all", "--quiet", "--filter", label])
    if not ids:
        return []
    found = [_container(item) for item in json.loads(shell.capture(["docker", "inspect", *ids.split()]))]
    order = [process.name for process in load().stated]
    return sorted(found, key=lambda item: order.index(item.service) if item.service in order else len(order))


def _container(item: dict) -> Container:  # type: ignore[type-arg] # the engine's own document
    state = item["State"]
    return Container(
        service=item["Config"]["Labels"]["com.docker.compose.service"],
        name=item["Name"].lstrip("/"),
        state=state["Status"],
        health=state.get("Health", {}).get("Status", "none"),
        started=docker.timestamp(state["StartedAt"]),
    )


def _reload_redis_users(*, tag: str) -> None:
    """Restart a running Redis whose list of users has changed since it started, the only time when it reads it."""
    changed = (secrets.FOLDER / secrets.REDIS_ACL).stat().st_mtime
    if any(item.service == "redis" and item.state == "running" and item.started < changed for item in containers()):
        _compose("restart", "redis", tag=tag)


def _wait() -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        if not _missing(item.service for item in containers() if item.ready):
            return
        time.sleep(_POLL_SECONDS)
    raise _not_healthy()


def _missing(found: Iterable[str]) -> list[str]:
    """Return the names of processes that have fewer containers than replicas, given a name for each container."""
    count = Counter(found)
    return [process.name for process in load().processes if count[process.name] < process.replicas]


def _not_healthy() -> NexusError:
    found = containers()
    bad = [item for item in found if not item.ready]
    texts = [f"{item.service} is {item.state} ({item.health}):\n    {_last_lines(item.name)}" for item in bad]
    texts += [f"{name} lacks a container" for name in _missing(item.service for item in found)]
    return NexusError(
        "the stack is not healthy", "\n  ".join(texts), "fix what the log names, then run `make up` again"
    )


def _last_lines(container: str) -> str:
    done = subprocess.run(
        ["docker", "logs", "--tail", str(_LOG_LINES), container],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout.strip().replace("\n", "\n    ") or "no log"


def _require_free_ports() -> None:
    own = {item.service for item in containers() if item.state == "running"}
    for service in load().services:
        port = _port(service)
        if service.published and service.name not in own and _is_taken(port):
            raise NexusError(
                f"port {port} is needed for {service.name}",
                f"another program listens on it (`ss -ltnp 'sport = :{port}'` names it)",
                f"stop that program, or choose another port: `{port_variable(service)}={service.port + 10000} make up`",
            )


def port_variable(service: Service) -> str:
    """The variable of the compose file: NEXUS_GATEWAY_PORT for nexus-gateway, NEXUS_MCP_PORT for mcp-server."""
    return f"NEXUS_{service.name.removeprefix('nexus-').split('-')[0].upper()}_PORT"


def _port(service: Service) -> int:
    """Return the port of this machine on which a published service is reached."""
    name = port_variable(service)
    port = os.environ.get(name) or str(service.port)
    if not port.isdecimal():
        raise NexusError(
            f"{name} is not a port",
            port,
            f"set it to a number such as {service.port + 10000}; NEXUS_PUBLISH_ADDRESS sets the address",
        )
    return int(port)


def _publish_address() -> str:
    """Return the address of this machine on which ports are published, as in the compose file."""
    return os.environ.get("NEXUS_PUBLISH_ADDRESS") or "127.0.0.1"


def _is_taken(port: int) -> bool:
    try:
        # The address for all interfaces connects to this machine too.
        socket.create_connection((_publish_address().strip("[]"), port), timeout=1).close()
    except OSError:
        return False
    return True


def _base_url(service: Service) -> str:
    address = _publish_address()
    host = "localhost" if address in {"127.0.0.1", "0.0.0.0", "[::1]", "[::]"} else address
    return f"http://{host}:{_port(service)}"


def _address(process: Service | Worker) -> str:
    if isinstance(process, Service) and process.published:
        return _base_url(process)
    return f"{process.name}:{process.port} (internal)" if process.port else "none (worker)"


def _tag(*, use_pack: bool) -> str:
    return "latest" if use_pack else images.DOCKERFILE_TAG


def _compose(*arguments: str, tag: str, with_optional: bool = False) -> None:
    command, environment = docker.compose(tag=tag, with_optional=with_optional)
    try:
        shell.run([*command, *arguments], log="compose", env=environment)
    except NexusError as error:
        if "is unhealthy" in error.found or "failed to start" in error.found or "exited" in error.found:
            raise _not_healthy() from error
        raise


def _welcome() -> str:
    url = _base_url(next(service for service in load().services if service.published))
    return (
        f"\nLog in at {url} as user [bold]admin[/]; the password is in .nexus/secrets/admin_password.\n"
        "Try it:\n"
        f"  TOKEN=$(curl -s {url}/v1/sessions -H 'Content-Type: application/json' \\\n"
        '    -d "{\\"username\\":\\"admin\\",\\"password\\":\\"$(cat .nexus/secrets/admin_password)\\"}" \\\n'
        "    | python3 -c 'import json,sys; print(json.load(sys.stdin)[\"access_token\"])')\n"
        f'  curl -s {url}/v1/classification/classify -H "Authorization: Bearer $TOKEN" \\\n'
        '    -H \'Content-Type: application/json\' -d \'{"taxonomy":"unspsc","items":[{"text":"cordless drill 18V"}]}\'\n'
    )
