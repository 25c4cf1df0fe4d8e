"""`docker run IMAGE`, and nothing else: not root, and what is missing is told by its name."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from harness import engine

from nexusctl.workspace import Service, load

EX_CONFIG = 78
REDIS_EXIT = 1  # what redis-server ends with, whatever was wrong
LIMIT_SECONDS = 30
SERVICES = pytest.mark.parametrize("service", load().services, ids=lambda service: service.name)


def secret_files(*names: tuple[str, str]) -> str:
    """Return what an app says of settings whose default secret files are missing."""
    width = max(len(setting) for setting, _ in names)
    lines = [
        f"  {setting:<{width}}  The secret file /run/secrets/{secret} does not exist. "
        "Write the secret to that file, or point this setting at the file that holds it.\n"
        for setting, secret in names
    ]
    return "".join(["Invalid configuration:\n", *lines])


ENDS = {
    "nexus-gateway": (
        EX_CONFIG,
        secret_files(
            ("NEXUS_REDIS_PASSWORD_FILE", "gateway_redis_password"),
            ("NEXUS_POSTGRES_PASSWORD_FILE", "gateway_db_password"),
            ("NEXUS_ADMIN_PASSWORD_FILE", "admin_password"),
            ("NEXUS_SIGNING_KEY_FILE", "signing_key"),
            ("NEXUS_CLIENT_SECRET_FILE", "mcp_client_secret"),
        ),
    ),
    "mcp-server": (
        EX_CONFIG,
        secret_files(
            ("NEXUS_REDIS_PASSWORD_FILE", "mcp_redis_password"),
            ("NEXUS_CLIENT_SECRET_FILE", "mcp_client_secret"),
        ),
    ),
    "dataflow-service": (
        EX_CONFIG,
        secret_files(
            ("NEXUS_REDIS_PASSWORD_FILE", "dataflow_redis_password"),
            ("NEXUS_POSTGRES_PASSWORD_FILE", "dataflow_db_password"),
        ),
    ),
    "postgres": (
        EX_CONFIG,
        (
            "postgres: the superuser's password is needed\n"
            "  found: POSTGRES_PASSWORD_FILE is not set\n"
            "  to do: set it to a file with the password (a mounted secret); `make up` makes one\n"
        ),
    ),
    "redis": (
        REDIS_EXIT,
        (
            "Aborting Redis startup because of ACL errors: Error loading ACLs, opening file '/run/secrets/redis_acl': "
            "No such file or directory\n"
        ),
    ),
}
"""Exit status and all output of those that need a setting. The classifier needs none."""


@pytest.fixture
def started(service: Service, tag: str) -> Iterator[str]:
    """A container of the service's image, started without any option."""
    image = f"{service.image}:{tag if service.kind == 'app' else 'latest'}"
    container = engine.docker("run", "--detach", image)
    yield container
    engine.docker("rm", "--force", "--volumes", container)


@SERVICES
def test_not_root_and_what_is_missing_is_told(service: Service, started: str) -> None:
    assert engine.inspect(started)["Config"]["User"] == f"{load().user_id}:{load().user_id}"
    state = settled(started)
    if service.name in ENDS:
        assert (state["ExitCode"], log(started)) == ENDS[service.name]
    else:
        status = engine.process_status(state["Pid"])
        user = "\t".join([str(load().user_id)] * 4)
        assert (status["Uid"], status["Gid"], status["CapEff"]) == (user, user, "0" * 16)


def settled(container: str) -> dict[str, Any]:
    """Return the state of a container once it has ended or is healthy."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        state: dict[str, Any] = engine.inspect(container)["State"]
        if not state["Running"] or state["Health"]["Status"] == "healthy":
            return state
        assert time.monotonic() < deadline, engine.last_log(container)
        time.sleep(0.2)


def log(container: str) -> str:
    """Return the log of a container, of Redis' log only its warnings without their time."""
    whole = engine.last_log(container)
    return "".join(re.findall(r"^\d+:M .+? # (.+\n)", whole, re.MULTILINE)) or whole
