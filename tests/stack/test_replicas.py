"""Two replicas of each app behind a load balancer: restarts lose no request, and a crash loses few."""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from harness.figures import Figures
from harness.proofs import STACK_INPUTS, proof
from harness.replicas import Replicas, balanced, doubled
from harness.stack import Stack, login

from nexusctl.workspace import Service, load

RATE = 50
REQUESTS = 2000
MAX_LOST_BY_CRASH = REQUESTS // 100

pytestmark = [
    proof("replicas", *STACK_INPUTS, "tests/harness/balancer.py", "tests/harness/replicas.py"),
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


@pytest.fixture(scope="module", name="doubled")
def doubled_apps(stack: Stack, tag: str) -> Iterator[None]:
    """Two containers of each app."""
    with doubled(stack, tag, load().apps):
        yield


@pytest.fixture
def replicas(stack: Stack, app: Service) -> Iterator[Replicas]:
    """The two containers of the app."""
    with balanced(stack, app) as replicas:
        yield replicas


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
