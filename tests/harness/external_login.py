"""A provider that users sign in at, and a gateway on this machine's own network, which reaches it at localhost."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from harness import engine
from harness.stack import Stack

NAME, LABEL = "example", "Example"
CLIENT_SECRET = "a secret: 100% of it"
_FILES = Path(__file__).parent.parent / "browser" / "provider"
_SECONDS = 60
_USER = 10001  # of the container
_SETTINGS = "/run/external-login"


@dataclass(frozen=True)
class Provider:
    """A running provider, and the gateway's port that it lets users go back to."""

    issuer: str
    gateway_port: int

    def write_settings(self, folder: Path) -> None:
        """Write the gateway's settings for it; their folder is to be mounted at `/run/external-login`."""
        fields = {
            "name": NAME,
            "label": LABEL,
            "issuer": self.issuer,
            "client_id": "nexus",
            "client_secret_file": f"{_SETTINGS}/client_secret",
            "create_users": True,
            "roles": ["viewer"],
        }
        lines = ["[[providers]]", *(f"{name} = {json.dumps(value)}" for name, value in fields.items()), ""]
        (folder / "providers.toml").write_text("\n".join(lines))
        (folder / "client_secret").write_text(CLIENT_SECRET)
        folder.chmod(0o755)


def free_port() -> int:
    """Return a port of this machine that nothing listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def running_provider(folder: Path) -> Iterator[Provider]:
    """Install and start the npm package oidc-provider in an empty folder."""
    shutil.copytree(_FILES, folder, dirs_exist_ok=True)
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    port, gateway_port = free_port(), free_port()
    callback = f"http://localhost:{gateway_port}/login/oidc/{NAME}/callback"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(["node", "server.mjs", str(port), callback], cwd=folder, stdout=log, stderr=log)
    try:
        provider = Provider(f"http://localhost:{port}", gateway_port)
        _wait_for(f"{provider.issuer}/.well-known/openid-configuration", (folder / "log").read_text)
        yield provider
    finally:
        process.terminate()
        process.wait(timeout=10)


@contextmanager
def gateway_with(stack: Stack, provider: Provider, folder: Path) -> Iterator[str]:
    """Run one more gateway of the stack, with the provider; give its address."""
    provider.write_settings(folder)
    address = f"http://localhost:{provider.gateway_port}"
    container = engine.docker("run", "--detach", *_options(stack, provider, folder)).strip()
    try:
        _wait_for(f"{address}/readyz", lambda: engine.last_log(container))
        yield address
    finally:
        engine.docker("rm", "--force", container)


def _options(stack: Stack, provider: Provider, folder: Path) -> list[str]:
    document = stack.container("nexus-gateway")
    environment = dict(line.split("=", 1) for line in document["Config"]["Env"]) | _environment(stack, provider)
    return [
        *("--network", "host", "--user", str(_USER), "--read-only", "--tmpfs", "/tmp:size=64m,mode=1777"),  # noqa: S108  the container's own
        *("--volumes-from", document["Id"], "--volume", f"{folder}:{_SETTINGS}:ro"),
        *(part for name, value in environment.items() for part in ("--env", f"{name}={value}")),
        document["Image"],
    ]


def _environment(stack: Stack, provider: Provider) -> dict[str, str]:
    return {
        "HOST": "127.0.0.1",
        "PORT": str(provider.gateway_port),
        "NEXUS_ADMIN_HOST": "127.0.0.1",
        "NEXUS_ADMIN_PORT": str(free_port()),
        "NEXUS_ISSUER": f"http://localhost:{provider.gateway_port}",
        "NEXUS_OIDC_PROVIDERS_FILE": f"{_SETTINGS}/providers.toml",
        "NEXUS_POSTGRES_URL": f"postgresql://gateway@{_host(stack, 'postgres')}:5432/nexus",
        "NEXUS_POSTGRES_OWNER_URL": f"postgresql://gateway_owner@{_host(stack, 'postgres')}:5432/nexus",
        "NEXUS_REDIS_URL": f"redis://gateway@{_host(stack, 'redis')}:6379/0",
        "WEB_CONCURRENCY": "1",
    }


def _host(stack: Stack, service: str) -> str:
    networks = stack.container(service)["NetworkSettings"]["Networks"]
    address: str = networks[f"{stack.project}_backend"]["IPAddress"]
    return address


def _wait_for(url: str, log: Callable[[], str]) -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=5, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"{url} is not there after {_SECONDS} s:\n{log()}")
