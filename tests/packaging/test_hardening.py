"""Every container of the running stack is held as tightly as architecture and compose file say."""

import subprocess
from pathlib import PurePosixPath

import pytest
from harness import engine
from harness.stack import Stack

from nexusctl.workspace import Service, load

AS_HEALTH = ("--user", "health", "--pass", "none", "--no-auth-warning")
SHELLS = {"sh", "ash", "bash", "busybox", "dash", "ksh", "zsh"}
SERVICES = pytest.mark.parametrize("service", load().services, ids=lambda service: service.name)
APPS = pytest.mark.parametrize("app", load().apps, ids=lambda app: app.name)


@SERVICES
def test_engine_holds_the_container(stack: Stack, service: Service) -> None:
    document = stack.container(service.name)
    host = document["HostConfig"]
    assert document["Config"]["User"] == f"{load().user_id}:{load().user_id}"
    assert host["ReadonlyRootfs"] is True
    assert host["Privileged"] is False
    assert host["CapDrop"] == ["ALL"]
    assert host["CapAdd"] is None
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["Init"] is True
    assert [name for name in ("Memory", "NanoCpus", "PidsLimit") if not host[name]] == []


@SERVICES
def test_process_has_no_privilege(stack: Stack, service: Service) -> None:
    status = engine.process_status(stack.container(service.name)["State"]["Pid"])
    user = "\t".join([str(load().user_id)] * 4)
    assert (status["Uid"], status["Gid"]) == (user, user)
    assert {name: int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {
        "CapEff": 0,
        "CapPrm": 0,
        "CapBnd": 0,
    }
    assert status["NoNewPrivs"] == "1"


def test_only_published_services_have_a_port_on_the_host(stack: Stack) -> None:
    published = {}
    for service in load().services:
        bindings = stack.container(service.name)["HostConfig"]["PortBindings"] or {}
        if bindings:
            published[service.name] = {port: [to["HostPort"] for to in targets] for port, targets in bindings.items()}
    ports = {"nexus-gateway": stack.gateway_port, "mcp-server": stack.mcp_port}
    assert published == {
        service.name: {f"{service.port}/tcp": [str(ports[service.name])]}
        for service in load().services
        if service.published
    }


@APPS
def test_app_cannot_write_its_root(stack: Stack, app: Service) -> None:
    code = "import errno, pathlib\ntry: pathlib.Path('/workspace/x').touch()\nexcept OSError as e: print(e.errno)"
    container = stack.container(app.name)["Id"]
    done = subprocess.run(
        ["docker", "exec", container, "python3", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("30\n", "")


@APPS
def test_no_secret_in_the_environment(stack: Stack, app: Service) -> None:
    environment = dict(line.split("=", 1) for line in stack.container(app.name)["Config"]["Env"])
    suspicious = {
        name
        for name in environment
        if any(word in name for word in ("PASSWORD", "SECRET", "KEY")) and environment[name]
    }
    assert {name for name in suspicious if not environment[name].startswith("/run/secrets/")} == set()


@APPS
def test_app_image_has_no_shell(app: Service, tag: str) -> None:
    found = [
        path
        for path in engine.files(f"{app.image}:{tag}")
        if PurePosixPath(path).name in SHELLS and PurePosixPath(path).parent.name in {"bin", "sbin"}
    ]
    assert found == []


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
