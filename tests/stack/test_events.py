"""Clients of events while parts of the stack restart: nothing is lost, and nothing seen twice."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import engine
from harness.figures import Figures
from harness.stack import Stack, login

from nexusctl.workspace import ROOT

SCRIPT = Path(__file__).with_name("events_client.mjs")
MODULE = ROOT / "apps/nexus-gateway/nexus_gateway/pages/static/nexus-events.js"
CHANNEL = "app:restarts"
CLIENTS = 4
EVENTS = 300
PATIENCE_SECONDS = 60

# How the images were built makes no difference here.
pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")


@contextmanager
def following(stack: Stack, token: str) -> Iterator[subprocess.Popen[str]]:
    """Node, with clients that are subscribed. The first of them reads an event stream, the others WebSockets."""
    command: list[str | Path] = [
        "node",
        "--experimental-websocket",
        SCRIPT,
        MODULE,
        stack.gateway,
        CHANNEL,
        str(CLIENTS),
    ]
    environment = {**os.environ, "TOKEN": token}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert [process.stdout.readline() for _ in range(CLIENTS)] == ["open\n"] * CLIENTS
            yield process
        finally:
            process.kill()


def publish(client: httpx.Client, data: object) -> str:
    """Publish, again where the gateway or Redis is away; returns the offset."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            answer = client.post(f"/v1/channels/{CHANNEL}/messages", json={"data": data})
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.status_code == 201:
            return str(answer.json()["offset"])
        assert time.monotonic() < deadline, answer and answer.text
        time.sleep(0.1)


def test_nothing_is_lost_or_doubled_while_redis_and_the_gateway_restart(stack: Stack, figures: Figures) -> None:
    stack.wait_until_healthy()
    restarts = {EVENTS // 3: "redis", 2 * EVENTS // 3: "nexus-gateway"}
    published, running = [], []
    with login(stack) as client:
        token = client.headers["Authorization"].removeprefix("Bearer ")
        with following(stack, token) as process:
            for number in range(EVENTS):
                if number in restarts:
                    restart = ("restart", stack.container(restarts[number])["Id"])
                    running.append(threading.Thread(target=engine.docker, args=restart))
                    running[-1].start()
                published.append(publish(client, number))
                time.sleep(0.02)
            for thread in running:
                thread.join()
            published.append(publish(client, "end"))
            assert process.stdout
            results: list[dict[str, Any]] = json.loads(process.stdout.readline())
    lost = sum(len(set(published) - set(result["offsets"])) for result in results)
    doubled = sum(len(result["offsets"]) - len(set(result["offsets"])) for result in results)

    figures.at_most("events lost while Redis and the gateway restart", lost, 0)
    figures.at_most("events doubled while Redis and the gateway restart", doubled, 0)
    assert (len(results), lost, doubled) == (CLIENTS, 0, 0)
    assert [result["resets"] for result in results] == [0] * CLIENTS
    assert min(result["connections"] for result in results) >= 2
    for result in results:
        assert result["offsets"] == sorted(
            result["offsets"], key=lambda offset: [int(part) for part in offset.split("-")]
        )
