"""Two replicas of each app behind a load balancer: restarts lose no request, and a crash loses few."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from harness import engine
from harness.balancer import Balancer, balancing
from harness.figures import Figures
from harness.proofs import STACK_INPUTS, proof
from harness.stack import Stack, compose, login, settings

from nexusctl.workspace import ROOT, Service, load

RATE = 50
REQUESTS = 2000
MAX_LOST_BY_CRASH = REQUESTS // 100
_READY_SECONDS = 30

pytestmark = [
    proof("replicas", *STACK_INPUTS, "tests/harness/balancer.py"),
    pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session"),
    pytest.mark.usefixtures("doubled"),
]
APPS = pytest.mark.parametrize("app", load().apps, ids=lambda app: app.name)
PATHS = {
    "nexus-gateway": "/v1/data/product?limit=1",
    "dataflow-service": "/v1/product?limit=1",
    "classification-service": "/v1/taxonomies",
    "mcp-server": "/v1/tools",
}


@dataclass
class Replicas:
    """The containers of an app, and the balancer before them."""

    app: Service
    names: list[str]
    network: str
    balancer: Balancer

    def look_again(self) -> None:
        """Tell the balancer where the containers are: a restart may move them."""
        self.balancer.replicas = _addresses(self.names, self.network, self.app)

    def wait_until_ready(self) -> None:
        """Wait until all get connections."""
        deadline = time.monotonic() + _READY_SECONDS
        self.look_again()
        while len(self.balancer.ready) < len(self.names):
            assert time.monotonic() < deadline, f"ready: {self.balancer.ready} of {self.balancer.replicas}"
            time.sleep(0.1)
            self.look_again()  # one that was killed has no address until it is started again


def _addresses(names: list[str], network: str, app: Service) -> list[tuple[str, int]]:
    networks = [engine.inspect(name)["NetworkSettings"]["Networks"][network] for name in names]
    return [(found["IPAddress"], app.port) for found in networks]


@pytest.fixture(scope="module")
def doubled(stack: Stack, tag: str) -> Iterator[None]:
    """Two containers of each app; published ports get a second one beside the first."""
    environment = settings(project=stack.project, tag=tag, gateway_port=stack.gateway_port, mcp_port=stack.mcp_port)
    environment["NEXUS_GATEWAY_PORT"] = f"{stack.gateway_port}-{stack.gateway_port + 1}"
    environment["NEXUS_MCP_PORT"] = f"{stack.mcp_port}-{stack.mcp_port + 1}"

    def scale(number: int) -> None:
        scales = [part for app in load().apps for part in ("--scale", f"{app.name}={number}")]
        done = compose(ROOT, environment, "up", "--detach", "--no-build", "--no-recreate", *scales)
        assert done.returncode == 0, done.stderr

    scale(2)
    yield
    scale(1)
    stack.wait_until_healthy()


@pytest.fixture
def replicas(stack: Stack, app: Service) -> Iterator[Replicas]:
    """The two containers of the app."""
    names, network = engine.containers(stack.project, app.name), f"{stack.project}_backend"
    with balancing(_addresses(names, network, app)) as balancer:
        yield Replicas(app, names, network, balancer)


@pytest.fixture
def token(stack: Stack, app: Service) -> str:
    """An access token for the app."""
    with login(stack) as client:
        if app.name == "nexus-gateway":
            return client.headers["Authorization"].removeprefix("Bearer ")
        answer = client.post("/v1/tokens", json={"audience": app.name, "scopes": _scopes(app)})
        return str(answer.json()["access_token"])


def _scopes(app: Service) -> list[str]:
    return {"dataflow-service": ["data:read"], "classification-service": ["classify"]}.get(app.name, ["tools:call"])


async def _ask(url: str, token: str, outcomes: Counter[str], seconds: float) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    limits = httpx.Limits(max_connections=20)
    async with httpx.AsyncClient(headers=headers, limits=limits, timeout=10, trust_env=False) as client:
        tasks = []
        for _ in range(int(seconds * RATE)):
            tasks.append(asyncio.create_task(_ask_once(client, url, outcomes)))
            await asyncio.sleep(1 / RATE)
        await asyncio.gather(*tasks)


async def _ask_once(client: httpx.AsyncClient, url: str, outcomes: Counter[str]) -> None:
    try:
        answer = await client.get(url)
    except httpx.TransportError as error:
        outcomes[type(error).__name__] += 1
    else:
        outcomes[str(answer.status_code)] += 1


async def _under_load(replicas: Replicas, token: str, *events: list[str]) -> Counter[str]:
    """Send requests while the commands `docker EVENT` are run, evenly over the time."""
    outcomes: Counter[str] = Counter()
    seconds = REQUESTS / RATE
    url = f"{replicas.balancer.url}{PATHS[replicas.app.name]}"
    asking = asyncio.create_task(_ask(url, token, outcomes, seconds))
    for event in events:
        await asyncio.sleep(2)
        process = await asyncio.create_subprocess_exec("docker", *event, stdout=asyncio.subprocess.DEVNULL)
        await process.wait()
        if event[0] != "kill":
            await asyncio.to_thread(replicas.wait_until_ready)
    await asking
    return outcomes


@APPS
def test_restarting_the_replicas_one_by_one_loses_no_request(replicas: Replicas, token: str, figures: Figures) -> None:
    replicas.wait_until_ready()
    restarts = [["restart", "--time", "40", name] for name in replicas.names]
    outcomes = asyncio.run(_under_load(replicas, token, *restarts))

    figures.at_most(f"of {REQUESTS} requests lost while {replicas.app.name} restarts", REQUESTS - outcomes["200"], 0)
    assert outcomes == {"200": REQUESTS}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may kill a container's process from the host")
@APPS
def test_a_replica_that_is_killed_loses_few_requests_and_none_by_502(
    replicas: Replicas, token: str, figures: Figures
) -> None:
    replicas.wait_until_ready()
    outcomes = asyncio.run(_under_load(replicas, token, ["kill", replicas.names[1]], ["start", replicas.names[1]]))

    lost = REQUESTS - outcomes["200"]
    figures.at_most(f"of {REQUESTS} requests lost as a {replicas.app.name} is killed", lost, MAX_LOST_BY_CRASH)
    assert outcomes["502"] == 0
