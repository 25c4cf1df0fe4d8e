"""Who reaches what.

From the network `edge` and from the host: the published ports of gateway and mcp-server. From `runs`: mcp-server and
workflow-runner, each other and nothing else.
"""

import json

import pytest
from harness import engine
from harness.stack import Stack

from nexusctl.workspace import Service, Worker, load

SERVICES = pytest.mark.parametrize("service", load().services, ids=lambda service: service.name)
PUBLISHED = [service for service in load().services if service.published]
METRICS_PORT = 9090
KNOCK = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor

def answers(target):
    host, _, port = target.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        return False
    return True

targets = sys.argv[1:]
with ThreadPoolExecutor(len(targets)) as threads:
    print(json.dumps([target for target, open in zip(targets, threads.map(answers, targets)) if open]))
"""


def addresses(stack: Stack, process: Service | Worker) -> dict[str, str]:
    """Return a process's address on each of its networks, by the network's name in the compose file."""
    networks = stack.container(process.name)["NetworkSettings"]["Networks"]
    return {name.removeprefix(f"{stack.project}_"): network["IPAddress"] for name, network in networks.items()}


def answering(stack: Stack, network: str, targets: list[str]) -> list[str]:
    """Return which of the targets (host:port) take a connection from a container on a network of the stack."""
    answer = engine.docker(
        "run", "--rm", "--network", f"{stack.project}_{network}", "nexus/run", "python3", "-c", KNOCK, *targets
    )
    found: list[str] = json.loads(answer)
    return found


def targets(stack: Stack) -> list[str]:
    """Return every port of every service and worker, by its name and by each of its addresses."""
    return [
        f"{host}:{port}"
        for process in load().processes
        for host in (process.name, f"{process.name}.backend", *addresses(stack, process).values())
        for port in (process.port, METRICS_PORT)
        if port
    ]


def test_edge_reaches_only_what_is_published(stack: Stack) -> None:
    assert answering(stack, "edge", targets(stack)) == [
        f"{host}:{service.port}" for service in PUBLISHED for host in (service.name, addresses(stack, service)["edge"])
    ]


def test_backend_reaches_every_service_and_the_metrics_of_apps(stack: Stack) -> None:
    assert set(answering(stack, "backend", [target for target in targets(stack) if ".backend:" not in target])) == {
        f"{host}:{port}"
        for service in load().services
        for host in (service.name, addresses(stack, service)["backend"])
        for port in (service.port, *([METRICS_PORT] if service.kind == "app" else []))
    }


def test_runs_reaches_mcp_server_and_the_runner_only(stack: Stack) -> None:
    ports = {process.name: process.port for process in load().processes if "runs" in addresses(stack, process)}
    assert ports == {"mcp-server": 3000, "workflow-runner": 3100}
    assert set(answering(stack, "runs", targets(stack))) == {
        f"{host}:{ports[process.name]}"
        for process in load().processes
        if process.name in ports
        for host in (process.name, addresses(stack, process)["runs"])
    }


def test_the_runner_is_on_no_other_network_and_listens_on_its_port_only(stack: Stack) -> None:
    container = stack.container("workflow-runner")
    assert list(container["NetworkSettings"]["Networks"]) == [f"{stack.project}_runs"]
    assert engine.listeners(container["State"]["Pid"]) == ["0.0.0.0:3100"]
    assert [places for places in container["NetworkSettings"]["Ports"].values() if places] == []


@SERVICES
def test_a_service_listens_on_its_port_and_for_metrics_on_the_backend_only(stack: Stack, service: Service) -> None:
    container = stack.container(service.name)
    listeners = engine.listeners(container["State"]["Pid"])
    # The stores listen by IPv6 too, which the networks don't have.
    own = {f"0.0.0.0:{service.port}", f":::{service.port}"}
    metrics = addresses(stack, service)["backend"] if service.published else "0.0.0.0"
    assert [at for at in listeners if at not in own] == ([f"{metrics}:9090"] if service.kind == "app" else [])
    assert f"0.0.0.0:{service.port}" in listeners


def test_the_host_has_only_the_published_ports(stack: Stack) -> None:
    ports = {"nexus-gateway": stack.gateway_port, "mcp-server": stack.mcp_port}
    published = {
        service.name: {
            (port, at["HostIp"], at["HostPort"])
            for port, places in stack.container(service.name)["NetworkSettings"]["Ports"].items()
            for at in places or ()
        }
        for service in load().services
    }
    assert published == {
        service.name: {(f"{service.port}/tcp", "127.0.0.1", str(ports[service.name]))} if service.published else set()
        for service in load().services
    }


def test_edge_backend_and_runs_are_all_networks(stack: Stack) -> None:
    filters = ("--filter", f"label=com.docker.compose.project={stack.project}")
    names = engine.docker("network", "ls", "--format", "{{.Name}}", *filters).split()
    assert {name: engine.inspect(name)["Internal"] for name in sorted(names)} == {
        f"{stack.project}_backend": True,
        f"{stack.project}_edge": False,
        f"{stack.project}_runs": True,
    }
