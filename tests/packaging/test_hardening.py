"""Every container of the running stack is held as tightly as architecture and compose file say."""

import subprocess
from collections.abc import Iterator

import pytest
from harness import engine
from harness.hardening import HELD, held_by_engine, limits_at_engine, limits_of_project, rights, user_of_project
from harness.stack import Stack

from nexusctl.workspace import Service, Worker, load

AS_HEALTH = ("--user", "health", "--pass", "none", "--no-auth-warning")
PROCESSES = pytest.mark.parametrize("process", load().processes, ids=lambda process: process.name)
OF_PYTHON = pytest.mark.parametrize("process", [*load().apps, *load().workers], ids=lambda process: process.name)
VOLUMES = {"postgres": ["/var/lib/postgresql/data"], "redis": ["/data"]}
IN_MEMORY = {"postgres": ["/tmp", "/var/run/postgresql"]}  # noqa: S108 # of the container


@PROCESSES
def test_engine_holds_each_container(stack: Stack, process: Service | Worker) -> None:
    documents = stack.containers(process.name)
    assert [held_by_engine(document) for document in documents] == [
        HELD
        | {
            "user": f"{user_of_project(process)}:{user_of_project(process)}",
            "may write": VOLUMES.get(process.name, []),
            "in memory": IN_MEMORY.get(process.name, ["/tmp"]),  # noqa: S108 # of the container
        }
    ] * process.replicas
    assert [limits_at_engine(document) for document in documents] == [limits_of_project(process)] * process.replicas


@PROCESSES
def test_no_process_has_a_privilege(stack: Stack, process: Service | Worker) -> None:
    user = str(user_of_project(process))
    pids = [engine.processes(document["Id"]) for document in stack.containers(process.name)]
    assert min(map(len, pids)) > 1  # the init process and its child
    found = [rights(pid) for of_container in pids for pid in of_container]
    assert found == [
        {
            "users": "\t".join([user] * 4),
            "groups": "\t".join([user] * 4) + f" {user}",
            "capabilities": "0000000000000000",
            "new privileges": "none",
            "system calls": "filtered",
            "root": "ro",
        }
    ] * len(found)


@pytest.fixture
def loose(bases: None) -> Iterator[str]:
    """A container that is held by nothing but what the engine does unasked."""
    assert bases is None
    options = ("--user", "0", "--uts", "host", "--security-opt", "seccomp=unconfined", "--volume", "/data")
    device = ("--device", "/dev/null:/dev/other")
    container = engine.docker("run", "--detach", *options, *device, "nexus/redis-root", "redis-server")
    yield container
    engine.docker("rm", "--force", "--volumes", container)


def test_a_loose_container_is_seen(loose: str) -> None:
    document = engine.inspect(loose)
    assert held_by_engine(document) == {
        "user": "0",
        "read-only root": False,
        "privileged": False,
        "capabilities dropped": None,
        "capabilities added": None,
        "security options": ["seccomp=unconfined"],
        "init process": None,
        "restart policy": "no",
        "devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/other", "CgroupPermissions": "rwm"}],
        "namespaces of the host": ["UTSMode"],
        "may write": ["/data"],
        "in memory": [],
    }
    assert limits_at_engine(document) == {"memory": 0, "cpus": 0, "pids": 0}
    found = rights(document["State"]["Pid"])
    assert int(found.pop("capabilities").split()[-1], 16) != 0
    assert found == {
        "users": "0\t0\t0\t0",
        "groups": "0\t0\t0\t0 0",
        "new privileges": "can be had",
        "system calls": "all",
        "root": "rw",
    }


def test_what_runs_foreign_code_shares_no_user_and_no_setting_of_the_others(stack: Stack) -> None:
    container = stack.container("workflow-runner")
    others = [process.name for process in load().processes if process.name != "workflow-runner"]
    users = {document["Config"]["User"] for name in others for document in stack.containers(name)}
    names = {entry.partition("=")[0] for entry in container["Config"]["Env"]}
    assert container["Config"]["User"] not in users
    assert container["Mounts"] == []
    assert {name for name in names if name.startswith(("NEXUS_", "OTEL_"))} == {
        "NEXUS_HEARTBEAT_SECONDS",
        "NEXUS_LOG_LEVEL",
        "NEXUS_RUNNER_PROCESSES",
    }


@OF_PYTHON
def test_process_cannot_write_its_root(stack: Stack, process: Service | Worker) -> None:
    code = "import errno, pathlib\ntry: pathlib.Path('/workspace/x').touch()\nexcept OSError as e: print(e.errno)"
    container = stack.containers(process.name)[0]["Id"]
    done = subprocess.run(
        ["docker", "exec", container, "python3", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("30\n", "")


def test_redis_tells_strangers_only_that_it_is_up(stack: Stack) -> None:
    container = stack.container("redis")["Id"]
    assert redis_cli(container, "get", "key") == "NOAUTH Authentication required."
    assert redis_cli(container, "--user", "default", "--pass", "", "get", "key") == "NOAUTH Authentication required."
    assert redis_cli(container, *AS_HEALTH, "ping") == "PONG"
    assert redis_cli(container, *AS_HEALTH, "get", "key") == (
        "NOPERM User health has no permissions to run the 'get' command"
    )


def redis_cli(container: str, *arguments: str) -> str:
    done = subprocess.run(
        ["docker", "exec", container, "redis-cli", *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
