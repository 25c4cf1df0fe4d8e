"""How long an app takes from the start of its container to its first answer, in the running stack."""

import time

import httpx
import pytest
from harness import engine
from harness.figures import Figures
from harness.stack import Stack

from nexusctl import docker
from nexusctl.workspace import Service, load

LIMIT_SECONDS = 60
POLL_SECONDS = 0.01


@pytest.mark.parametrize("app", load().apps, ids=lambda app: app.name)
def test_app_answers_soon_after_its_container_starts(
    stack: Stack, app: Service, build_path: str, figures: Figures
) -> None:
    engine.docker("restart", stack.container(app.name)["Id"])
    began = docker.timestamp(stack.container(app.name)["State"]["StartedAt"])
    seconds = first_answer(stack.address(app)) - began
    assert app.start_seconds is not None
    figures.seconds(f"start to first 200, {app.name}, {build_path}", seconds, app.start_seconds)
    stack.wait_until_healthy()


def first_answer(address: str) -> float:
    """Return when /health first answered 200, in seconds since 1970."""
    deadline = time.monotonic() + LIMIT_SECONDS
    with httpx.Client(trust_env=False, timeout=5) as client:
        while time.monotonic() < deadline:
            try:
                if client.get(f"{address}/health").status_code == 200:
                    return time.time()
            except httpx.TransportError:
                pass
            time.sleep(POLL_SECONDS)
    pytest.fail(f"no 200 within {LIMIT_SECONDS} s")
