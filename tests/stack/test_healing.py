"""What happens when a container hangs or dies: the others say so truthfully, and the stack becomes whole by itself."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from harness import engine
from harness.figures import Figures
from harness.proofs import STACK_INPUTS, proof
from harness.stack import HEAL_SECONDS, Stack, login

from nexusctl.workspace import Service, Worker, load

NOTICE_SECONDS = 5
POLL_SECONDS = 0.2
GATEWAY = "nexus-gateway"
CODES = {"ok": 200, "degraded": 200, "unavailable": 503}
SERVICES = pytest.mark.parametrize("victim", load().services, ids=lambda service: service.name)
PROCESSES = pytest.mark.parametrize("victim", load().processes, ids=lambda process: process.name)

# How the images were built makes no difference here.
pytestmark = [
    proof("healing", *STACK_INPUTS),
    pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session"),
]


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx.Client]:
    """One session that outlives all the crashes."""
    with login(stack) as client:
        client.post("/v1/data/product/bulk", json=[{"name": f"kept {number}"} for number in range(20)])
        yield client


def others(victim: Service | Worker) -> list[Service]:
    return [service for service in load().apps if service != victim]


def truthful(answer: httpx.Response) -> dict[str, str]:
    """Return the state of each check, after making sure that the answer as a whole agrees with them."""
    body = answer.json()
    checks: dict[str, str] = {name: check["status"] for name, check in body["checks"].items()}
    assert answer.status_code == CODES[body["status"]], answer.text
    assert (body["status"] == "ok") == (set(checks.values()) <= {"ok"}), answer.text
    return checks


@contextmanager
def paused(container: str) -> Iterator[None]:
    engine.docker("pause", container)
    try:
        yield
    finally:
        engine.docker("unpause", container)


def reported(stack: Stack, client: httpx.Client, victim: Service) -> dict[str, str]:
    """Return what each app that watches a service says of it, and the gateway of all apps but itself."""
    found = {service.name: truthful(stack.health(service)) for service in others(victim)}
    states = {name: checks[victim.name] for name, checks in found.items() if victim.name in checks}
    if victim.kind == "app" and victim.name != GATEWAY:
        states["/v1/status"] = client.get("/v1/status").json()["services"][victim.name]["status"]
    return states


@SERVICES
def test_services_report_one_that_hangs(stack: Stack, client: httpx.Client, victim: Service) -> None:
    stack.wait_until_healthy()
    states = reported(stack, client, victim)
    assert set(states.values()) == {"ok"}
    with paused(stack.container(victim.name)["Id"]):
        deadline = time.monotonic() + NOTICE_SECONDS
        while "ok" in states.values() and time.monotonic() < deadline:
            states = reported(stack, client, victim)
            time.sleep(POLL_SECONDS)
    assert [name for name, state in states.items() if state == "ok"] == []
    stack.wait_until_healthy()


def test_each_store_is_watched_by_those_that_use_it(stack: Stack) -> None:
    watched = {service.name: set(truthful(stack.health(service))) for service in load().apps}
    assert {"postgres", "redis"} <= watched["nexus-gateway"]
    assert {"postgres", "redis"} <= watched["dataflow-service"]
    assert {"nexus-gateway", "dataflow-service", "classification-service"} <= watched["mcp-server"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may kill a container's process from the host")
@PROCESSES
def test_stack_heals_when_one_is_killed(
    stack: Stack, client: httpx.Client, victim: Service | Worker, figures: Figures
) -> None:
    stack.wait_until_healthy()
    before = client.get("/v1/data/product", params={"limit": 1000}).json()
    processes = {process.name: stack.container(process.name)["State"]["Pid"] for process in load().processes}
    started = time.monotonic()
    engine.kill_main_process(stack.container(victim.name)["Id"])
    while time.monotonic() < started + HEAL_SECONDS and (len(stack.unhealthy()) or is_old(stack, victim, processes)):
        for service in others(victim):
            truthful(stack.health(service))
        time.sleep(POLL_SECONDS)
    figures.seconds(f"whole again after kill -9 of {victim.name}", time.monotonic() - started, HEAL_SECONDS)
    assert stack.unhealthy() == []
    alive = {process.name: stack.container(process.name)["State"]["Pid"] for process in load().processes}
    assert [name for name in alive if alive[name] != processes[name]] == [victim.name]
    assert client.get("/v1/data/product", params={"limit": 1000}).json() == before


def is_old(stack: Stack, victim: Service | Worker, processes: dict[str, int]) -> bool:
    """Whether the engine has not yet started the killed container again."""
    return bool(stack.container(victim.name)["State"]["Pid"] == processes[victim.name])
