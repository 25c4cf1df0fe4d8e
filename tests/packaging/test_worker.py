"""A worker, stated in project.toml and the compose file: it is built, held and checked as services are, on both paths.

A proof: it builds a service of its own.
"""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import engine
from harness.clone import WHEELS_AT_HAND, Outcome, clone, edit, nexusctl, share_all_but_wheelhouse
from harness.figures import Figures
from harness.hardening import HELD, held_by_engine, limits_at_engine, limits_of_project, rights
from harness.proofs import STACK_INPUTS, proof
from harness.stack import Stack, compose, is_healthy, settings

from nexusctl import secrets
from nexusctl.workspace import STATE, Limits, Worker

APP, NAME = "ticking", "ticking-worker"
WORKER = Worker(NAME, APP, APP, "worker", heartbeat_seconds=3, limits=Limits("64m", 0.5, 20), replicas=2)
STACK = Stack("nexus-test-worker", "pack", gateway_port=18004, mcp_port=13004)
PROCFILE = "worker: python3 -m ticking.worker\n"
PROJECT_ENTRY = f"""
[nexus.workers.{NAME}]
image = "{APP}"
process = "worker"
heartbeat-seconds = 3
memory = "64m"
cpus = 0.5
pids = 20
replicas = 2
"""
COMPOSE_ENTRY = f"""services:
  {NAME}:
    <<: *service
    image: {APP}:${{NEXUS_TAG:-latest}}
    entrypoint: [/cnb/process/worker]
    networks: [backend]
    environment:
      <<: *settings
      NEXUS_HEARTBEAT_SECONDS: "3"
    deploy: {{replicas: 2}}
    mem_limit: 64m
    cpus: 0.5
    pids_limit: 20

"""
CODE = '''"""A loop that hangs on SIGUSR1, and ends on SIGTERM."""

import signal
import threading
from pathlib import Path

ended, hanging = threading.Event(), threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
signal.signal(signal.SIGUSR1, lambda *_: hanging.set())
while not ended.wait(0.2):
    Path("/tmp/heartbeat").touch()
    while hanging.is_set():
        signal.pause()
'''
HUNG_SECONDS = 3 * (3 + 5 * 3)
"""The heartbeat's limit and five probes of the run image; three times that on a busy machine."""

POLL_SECONDS = 0.2
pytestmark = [
    proof("a worker without a port", *STACK_INPUTS, "libs", "tools"),
    pytest.mark.usefixtures("bases"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may look at a container's processes from the host"),
]


@pytest.fixture(scope="module")
def tree(bases: None) -> Iterator[Path]:
    """A clone with one more service, whose Procfile has a worker, built on both paths."""
    assert bases is None
    folder = Path(tempfile.mkdtemp(prefix="nexus-worker-"))
    folder.chmod(0o755)  # for the containers' users
    tree = clone(folder / "nexus", with_tests=True)
    share_all_but_wheelhouse(tree)
    secrets.ensure()
    for name in ("bin", "lifecycle", "pack", "secrets", "wheels"):
        shutil.copytree(STATE / name, tree / ".nexus" / name, symlinks=True, dirs_exist_ok=True)
    succeeded(nexusctl(tree, "new", APP))
    add_worker(tree)
    for path in ("--pack", "--no-pack"):
        succeeded(nexusctl(tree, "build", path, APP, env=WHEELS_AT_HAND))
    yield tree
    shutil.rmtree(folder)
    engine.remove_images([f"{APP}:latest", f"{APP}:dockerfile"])
    engine.remove_volumes(f"_{APP}_")


def add_worker(tree: Path) -> None:
    app = tree / "apps" / APP
    (app / APP / "worker.py").write_text(CODE)
    with (app / "Procfile").open("a") as stream:
        stream.write(PROCFILE)
    with (tree / "project.toml").open("a") as stream:
        stream.write(PROJECT_ENTRY)
    edit(tree / "docker-compose.production.yml", "\nservices:\n", f"\n{COMPOSE_ENTRY}")


def succeeded(outcome: Outcome) -> str:
    """Return what a command has printed."""
    assert outcome.status == 0, outcome.out + outcome.err
    return outcome.out


@pytest.fixture(params=["latest", "dockerfile"])
def started(tree: Path, request: pytest.FixtureRequest) -> Iterator[list[engine.Inspected]]:
    """The containers of the worker from the image of one path, all healthy."""
    environment = settings(
        project=STACK.project, tag=request.param, gateway_port=STACK.gateway_port, mcp_port=STACK.mcp_port
    )
    try:
        done = compose(tree, environment, "up", "--detach", "--no-build", NAME)
        assert done.returncode == 0, done.stderr
        wait_until(lambda: list(map(is_healthy, states())) == [True, True], HUNG_SECONDS)
        yield STACK.containers(NAME)
    finally:
        compose(tree, environment, "down", "--volumes", "--timeout", "5")


def states() -> list[dict[str, Any]]:
    return [document["State"] for document in STACK.containers(NAME)]


def wait_until(holds: Callable[[], bool], limit: float) -> None:
    deadline = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < deadline, f"{states()}\n{STACK.logs()}"
        time.sleep(POLL_SECONDS)


def test_each_replica_is_held_as_services_are(started: list[engine.Inspected]) -> None:
    assert [held_by_engine(document) for document in started] == [HELD] * WORKER.replicas
    assert [limits_at_engine(document) for document in started] == [limits_of_project(WORKER)] * WORKER.replicas
    assert {rights(pid)["capabilities"] for item in started for pid in engine.processes(item["Id"])} == {"0" * 16}
    assert [engine.listeners(item["State"]["Pid"]) for item in started] == [[]] * WORKER.replicas


def test_a_hung_replica_becomes_unhealthy_and_the_status_says_so(
    tree: Path, started: list[engine.Inspected], figures: Figures
) -> None:
    began = time.monotonic()
    engine.docker("kill", "--signal", "USR1", started[0]["Id"])
    wait_until(lambda: engine.inspect(started[0]["Id"])["State"]["Health"]["Status"] == "unhealthy", HUNG_SECONDS)
    figures.seconds("a worker hangs, its container is unhealthy", time.monotonic() - began, HUNG_SECONDS)
    assert engine.inspect(started[0]["Id"])["State"]["Status"] == "running"
    assert is_healthy(engine.inspect(started[1]["Id"])["State"])
    output = succeeded(nexusctl(tree, "status", env={"COMPOSE_PROJECT_NAME": STACK.project}))
    rows = sorted(re.findall(r"[\w()-]+", line) for line in output.splitlines() if NAME in line)
    assert rows == [[NAME, "running", health, "none", "(worker)"] for health in ("healthy", "unhealthy")]


def test_a_killed_replica_starts_again(started: list[engine.Inspected]) -> None:
    container = started[0]["Id"]
    engine.kill_main_process(container)
    wait_until(lambda: engine.inspect(container)["RestartCount"] == 1, HUNG_SECONDS)
    wait_until(lambda: list(map(is_healthy, states())) == [True, True], HUNG_SECONDS)


def test_a_replica_ends_on_sigterm(started: list[engine.Inspected]) -> None:
    engine.docker("stop", started[0]["Id"])
    state = engine.inspect(started[0]["Id"])["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)


def test_both_paths_give_the_same_worker(tree: Path) -> None:
    assert NAME in succeeded(nexusctl(tree, "parity", APP, NAME))
