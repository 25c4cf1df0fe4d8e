"""`make up` on a running stack whose Redis users have changed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import engine
from harness.clone import clone

PROJECT = "nexus-test-reload"
LIMIT_SECONDS = 30
pytestmark = pytest.mark.usefixtures("stores")


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """A clone whose Redis runs, alone."""
    tree = clone(tmp_path / "nexus")
    call(tree, "secrets.ensure(); stack._compose('up', '--detach', '--no-build', '--no-deps', 'redis', tag='latest')")
    yield tree
    call(tree, "stack.down(volumes=True)")


def call(tree: Path, code: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(tree / "tools"), "COMPOSE_PROJECT_NAME": PROJECT}
    command = [sys.executable, "-c", f"from nexusctl import secrets, stack; {code}"]
    subprocess.run(command, env=environment, cwd=tree, check=True)


def answer(tree: Path, user: str) -> str:
    """Return why Redis refuses a user, or nothing."""
    (container,) = engine.containers(PROJECT, "redis")
    password = (tree / ".nexus" / "secrets" / f"{user}_redis_password").read_text()
    login = ("--user", user, "--pass", password, "--no-auth-warning")
    done = subprocess.run(
        ["docker", "exec", container, "redis-cli", "-e", *login, "time"], capture_output=True, text=True, check=False
    )
    return done.stderr.strip()


def start() -> str:
    (container,) = engine.containers(PROJECT, "redis")
    started: str = engine.inspect(container)["State"]["StartedAt"]
    return started


def test_redis_is_restarted_when_a_password_was_rotated_and_only_then(tree: Path) -> None:
    first = start()
    call(tree, "secrets.ensure(); stack._reload_redis_users(tag='latest')")
    assert start() == first
    (tree / ".nexus" / "secrets" / "gateway_redis_password").unlink()
    call(tree, "secrets.ensure(); stack._reload_redis_users(tag='latest')")
    assert start() != first
    deadline = time.monotonic() + LIMIT_SECONDS
    while refusal := answer(tree, "gateway"):
        assert time.monotonic() < deadline, refusal
        time.sleep(0.2)
