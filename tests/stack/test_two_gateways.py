"""Two gateways behind one address are one: sessions, limits, channels, refresh tokens and signing keys."""

import asyncio
import base64
import json
import secrets as random_secrets
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from harness import engine
from harness.figures import Figures
from harness.proofs import STACK_INPUTS, proof
from harness.replicas import Replicas, balanced, doubled
from harness.stack import Stack, login
from websockets.sync.client import ClientConnection, connect

from nexusctl import secrets
from nexusctl.workspace import load

GATEWAY = next(app for app in load().apps if app.name == "nexus-gateway")
OTHERS = {
    "dataflow-service": "/v1/product?limit=1",
    "classification-service": "/v1/taxonomies",
    "mcp-server": "/v1/tools",
}
MAX_SECONDS = 1
ATTEMPTS = 10
AT_ONCE = 12
SIGN_INS_A_SECOND = 10
CLIENTS = 10
ROTATION_SECONDS = 12
EVENTS = 200
AGE_NEXT_KEY = "UPDATE gateway.signing_keys SET created_at = now() - interval '12 minutes' WHERE state = 'next'"

pytestmark = [
    proof("two gateways", *STACK_INPUTS, "tests/harness/balancer.py", "tests/harness/replicas.py"),
    pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session"),
]


@pytest.fixture(scope="module")
def two(stack: Stack, tag: str) -> Iterator[Replicas]:
    """Two gateways, and the balancer before them."""
    with doubled(stack, tag, [GATEWAY]), balanced(stack, GATEWAY) as replicas:
        replicas.wait_until_ready()
        yield replicas


@dataclass(frozen=True)
class Person:
    """A user, with a client of each gateway."""

    name: str
    password: str
    first: httpx.Client
    second: httpx.Client

    def sign_in(self, gateway: httpx.Client) -> dict[str, Any]:
        answer = gateway.post("/v1/sessions", json={"username": self.name, "password": self.password})
        assert answer.status_code == 201, answer.text
        body: dict[str, Any] = answer.json()
        return body


@pytest.fixture
def person(stack: Stack, two: Replicas) -> Iterator[Person]:
    with login(stack) as admin:
        name, password = f"two-{random_secrets.token_hex(4)}", random_secrets.token_hex(16)
        assert admin.put("/v1/roles/publisher", json={"scopes": ["events:publish"]}).status_code in {200, 201}
        user = {"username": name, "password": password, "roles": ["editor", "publisher"]}
        assert admin.post("/v1/users", json=user).status_code == 201
    first, second = two.urls
    with gateway_client(first) as one, gateway_client(second) as other:
        yield Person(name, password, one, other)


def gateway_client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=30, trust_env=False)


def bearer(begun: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {begun['access_token']}"}


def refreshed(gateway: httpx.Client, token: str) -> httpx.Response:
    return gateway.post("/v1/sessions/refresh", json={"refresh_token": token})


def test_a_session_of_one_counts_at_the_other_and_ends_at_both(person: Person, figures: Figures) -> None:
    headers = bearer(person.sign_in(person.first))
    answers = [gateway.get("/v1/me", headers=headers).status_code for gateway in (person.first, person.second)]
    ended = person.second.delete("/v1/sessions/current", headers=headers).status_code
    started = time.monotonic()
    while person.first.get("/v1/me", headers=headers).status_code == 200:
        assert time.monotonic() < started + 10

    assert (answers, ended) == ([200, 200], 204)
    figures.at_most(
        "a session that ends at one gateway has ended at the other", time.monotonic() - started, MAX_SECONDS, "s"
    )
    assert person.first.get("/v1/me", headers=headers).status_code == 401


def test_refresh_tokens_are_one_family_at_both(person: Person) -> None:
    begun = person.sign_in(person.first)
    next_tokens = [refreshed(gateway, begun["refresh_token"]).json() for gateway in (person.first, person.second)]
    latest = next_tokens[0]["refresh_token"]

    assert {answer["refresh_token"] for answer in next_tokens} == {latest}
    for gateway in (person.second, person.first) * 3:
        latest = refreshed(gateway, latest).json()["refresh_token"]
    assert refreshed(person.second, begun["refresh_token"]).status_code == 401
    assert refreshed(person.first, latest).status_code == 401
    assert person.first.get("/v1/me", headers=bearer(next_tokens[1])).status_code == 401


def test_limits_count_what_both_are_asked(person: Person) -> None:
    wrong = {"username": person.name, "password": "wrong"}
    gateways = [person.first, person.second] * (ATTEMPTS // 2)
    statuses = [gateway.post("/v1/sessions", json=wrong).status_code for gateway in gateways]
    refused = [gateway.post("/v1/sessions", json=wrong) for gateway in (person.first, person.second)]

    assert statuses == [401] * ATTEMPTS
    assert [answer.status_code for answer in refused] == [429, 429]
    assert [int(answer.headers["Retry-After"]) > 0 for answer in refused] == [True, True]


def left(answer: httpx.Response) -> int:
    """Requests that the limit `sign-in` leaves: its allowance comes back slowly enough to count with."""
    assert answer.status_code == 401, answer.text
    limit, _, rest = answer.headers["RateLimit"].partition(";r=")
    assert limit == '"sign-in"'
    return int(rest.partition(";")[0])


def test_an_allowance_is_used_up_at_both(person: Person) -> None:
    def attempt(gateway: httpx.Client) -> int:
        wrong = {"username": f"nobody-{random_secrets.token_hex(4)}", "password": "wrong"}
        return left(gateway.post("/v1/sessions", json=wrong))

    started = time.monotonic()
    before = attempt(person.first)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(attempt, [person.second] * ATTEMPTS * 4))
    after = attempt(person.first)
    came_back = SIGN_INS_A_SECOND * (time.monotonic() - started)

    assert came_back < ATTEMPTS * 3, "the machine is too slow to see what both counted"
    assert after <= before - ATTEMPTS * 4 + came_back


@contextmanager
def subscribed(gateway: httpx.Client, headers: dict[str, str], channel: str) -> Iterator[ClientConnection]:
    address = str(gateway.base_url).replace("http", "ws", 1).rstrip("/")
    with connect(f"{address}/v1/ws", additional_headers=headers, proxy=None) as socket:
        socket.send(json.dumps({"op": "subscribe", "channel": channel}))
        assert hear(socket)["op"] == "subscribed"
        yield socket


def hear(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(timeout=10))
    return message


def test_channels_reach_across_both(person: Person, figures: Figures) -> None:
    channel = f"app:{person.name}"
    headers = bearer(person.sign_in(person.first))
    gateways = [person.first, person.second]
    with subscribed(person.first, headers, channel) as one, subscribed(person.second, headers, channel) as other:
        for number in range(EVENTS):
            path = f"/v1/channels/{channel}/messages"
            answer = gateways[number % 2].post(path, json={"data": number}, headers=headers)
            assert answer.status_code == 201, answer.text
        heard = [[hear(socket)["data"] for _ in range(EVENTS)] for socket in (one, other)]
        time.sleep(2)  # until each has learnt of the other's subscribers
        present = [gateway.get(f"/v1/channels/{channel}/presence", headers=headers).json() for gateway in gateways]

    lost = sum(len(set(range(EVENTS)) - set(each)) for each in heard)
    figures.at_most(f"of {EVENTS} events at two gateways lost", lost, 0)
    assert heard == [list(range(EVENTS))] * 2
    assert present == [{"channel": channel, "subscribers": 2}] * 2


class Rotation:
    """Clients that use the gateway, and the tokens it signs, while a signing key follows another one."""

    def __init__(self, stack: Stack, two: Replicas, person: Person) -> None:
        self._stack = stack
        self._two = two
        self._person = person
        self._apps = {app.name: app for app in load().apps}
        self.outcomes: Counter[str] = Counter()
        self.kids: Counter[str] = Counter()

    async def run(self) -> None:
        """Rotate the key in the middle."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)  # each request at the next gateway
        async with httpx.AsyncClient(limits=limits, timeout=30, trust_env=False) as http:
            over = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                for _ in range(CLIENTS):
                    tasks.create_task(self._use(http, over))
                await asyncio.sleep(ROTATION_SECONDS / 3)
                await asyncio.to_thread(rotate, self._stack, self._two)
                await asyncio.sleep(ROTATION_SECONDS * 2 / 3)
                over.set()

    async def _use(self, http: httpx.AsyncClient, over: asyncio.Event) -> None:
        credentials = {"username": self._person.name, "password": self._person.password}
        begun = await self._ask(http, "POST", "/v1/sessions", json=credentials)
        while not over.is_set():
            headers = bearer(begun)
            await self._ask(http, "GET", "/v1/me", headers=headers)
            await self._ask(http, "GET", "/v1/data/product?limit=1", headers=headers)
            for audience, path in OTHERS.items():
                wanted = {"audience": audience}
                token = await self._ask(http, "POST", "/v1/tokens", headers=headers, json=wanted)
                url = f"{self._stack.address(self._apps[audience])}{path}"
                await self._ask(http, "GET", url, headers=bearer(token))
            begun = await self._ask(
                http, "POST", "/v1/sessions/refresh", json={"refresh_token": begun["refresh_token"]}
            )

    async def _ask(
        self,
        http: httpx.AsyncClient,
        method: str,
        path: str,
        *,
        json: object = None,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        url = path if path.startswith("http") else f"{self._two.balancer.url}{path}"
        answer = await http.request(method, url, json=json, headers=headers)
        self.outcomes["answered" if answer.is_success else f"{method} {path}: {answer.text}"] += 1
        body: dict[str, Any] = answer.json()
        if "access_token" in body:
            self.kids[kid_of(body["access_token"])] += 1
        return body


def kid_of(token: str) -> str:
    head = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"])


def rotate(stack: Stack, two: Replicas) -> None:
    """Let the next key sign. It has to be old enough; nobody waits eleven minutes in a test."""
    password = secrets.read("postgres_password")
    address = f"postgresql://postgres:{password}@127.0.0.1/nexus"
    engine.docker("exec", stack.container("postgres")["Id"], "psql", "-qc", AGE_NEXT_KEY, address)
    keys(two, "rotate")


def keys(two: Replicas, *command: str) -> str:
    """Run the command `keys` at the second gateway."""
    return engine.docker("exec", two.names[1], "/cnb/process/web", "keys", *command)


def published(gateway: httpx.Client) -> list[str]:
    return [key["kid"] for key in gateway.get("/.well-known/jwks.json").json()["keys"]]


def test_a_key_follows_another_without_a_failed_request(
    stack: Stack, two: Replicas, person: Person, figures: Figures
) -> None:
    before = published(person.first)
    rotation = Rotation(stack, two, person)
    asyncio.run(rotation.run())
    after = published(person.first)

    failed = rotation.outcomes.total() - rotation.outcomes["answered"]
    figures.at_most(f"of {rotation.outcomes.total()} requests failed while a key follows another", failed, 0)
    assert list(rotation.outcomes) == ["answered"]
    assert set(rotation.kids) == {before[0], before[1]}
    assert (after[0], after[2]) == (before[1], before[0])
    assert published(person.second) == after


def test_a_withdrawn_key_ends_its_tokens_at_both_and_at_all_services(
    stack: Stack, two: Replicas, person: Person, figures: Figures
) -> None:
    begun = person.sign_in(person.first)
    apps = {app.name: app for app in load().apps}
    uses = [(gateway, "/v1/me", bearer(begun)) for gateway in (person.first, person.second)]
    for audience, path in OTHERS.items():
        token = person.first.post("/v1/tokens", json={"audience": audience}, headers=bearer(begun)).json()
        uses.append((person.first, f"{stack.address(apps[audience])}{path}", bearer(token)))

    def statuses() -> list[int]:
        return [client.get(url, headers=headers).status_code for client, url, headers in uses]

    assert statuses() == [200] * len(uses)
    keys(two, "withdraw", kid_of(begun["access_token"]))
    started = time.monotonic()
    while set(statuses()) != {401}:
        assert time.monotonic() < started + 10
    figures.at_most("the tokens of a withdrawn key have ended everywhere", time.monotonic() - started, MAX_SECONDS, "s")
    answer = refreshed(person.second, begun["refresh_token"])
    assert answer.status_code == 200, answer.text
    assert person.first.get("/v1/me", headers=bearer(answer.json())).status_code == 200
