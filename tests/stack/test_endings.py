"""What ends for a user ends everywhere within a second: at each service, over HTTP and on open WebSockets."""

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from harness.figures import Figures
from harness.stack import Stack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from nexusctl.workspace import load

MAX_SECONDS = 1
PATIENCE_SECONDS = 10
POLL_SECONDS = 0.02
ROLES = {"ended": ["classify", "data:read", "tools:call"], "ended-less": ["data:read"]}
PATHS = {
    "nexus-gateway": "/v1/me",
    "dataflow-service": "/v1/product?limit=1",
    "classification-service": "/v1/taxonomies",
    "mcp-server": "/v1/tools",
}
APPS = {app.name: app for app in load().apps}

# How the images were built makes no difference here.
pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")


@dataclass(frozen=True)
class Person:
    """A user who has signed in, with a token for each service."""

    id: str
    password: str
    refresh_token: str
    client: httpx.Client
    tokens: dict[str, str]


@dataclass(frozen=True)
class Refusal:
    """What a service said when the person was refused, and when."""

    where: str
    at: float
    said: int | str


@pytest.fixture
def person(stack: Stack, admin: httpx.Client) -> Iterator[Person]:
    for name, scopes in ROLES.items():
        assert admin.put(f"/v1/roles/{name}", json={"scopes": scopes}).status_code in {200, 201}
    credentials = {"username": f"ended-{secrets.token_hex(4)}", "password": secrets.token_hex(16)}
    user = answered(admin.post("/v1/users", json={**credentials, "roles": ["ended"]}), 201)
    with ExitStack() as stay:
        client = stay.enter_context(httpx.Client(base_url=stack.gateway, timeout=30, trust_env=False))
        begun = answered(client.post("/v1/sessions", json=credentials), 201)
        client.headers["Authorization"] = f"Bearer {begun['access_token']}"
        tokens = {"nexus-gateway": str(begun["access_token"])}
        for audience in set(PATHS) - set(tokens):
            tokens[audience] = answered(client.post("/v1/tokens", json={"audience": audience}))["access_token"]
        yield Person(user["id"], credentials["password"], begun["refresh_token"], client, tokens)


def answered(answer: httpx.Response, status: int | None = None) -> dict[str, Any]:
    assert answer.is_success if status is None else answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body


def sign_out(_: httpx.Client, person: Person) -> httpx.Response:
    return person.client.delete("/v1/sessions/current")


def disable(admin: httpx.Client, person: Person) -> httpx.Response:
    return admin.patch(f"/v1/users/{person.id}", json={"disabled": True})


def change_role(admin: httpx.Client, person: Person) -> httpx.Response:
    return admin.patch(f"/v1/users/{person.id}", json={"roles": ["ended-less"]})


def change_password(_: httpx.Client, person: Person) -> httpx.Response:
    passwords = {"current_password": person.password, "new_password": secrets.token_hex(16)}
    return person.client.put("/v1/me/password", json=passwords)


@dataclass(frozen=True)
class Ending:
    """Something that ends a person's tokens, and the scopes that the next ones have where the session goes on."""

    what: str
    make: Callable[[httpx.Client, Person], httpx.Response]
    left: str | None = None


ENDINGS = [
    Ending("the session ends", sign_out),
    Ending("the user is disabled", disable),
    Ending("the user's role changes", change_role, left="data:read"),
    Ending("the user's password changes", change_password),
]


class Watch:
    """Uses a person's tokens all the time, until each is refused."""

    def __init__(self, stack: Stack, person: Person) -> None:
        self._stack = stack
        self._person = person

    async def over(self, end: Callable[[], httpx.Response]) -> tuple[float, list[Refusal]]:
        """Call `end` while all tokens are in use; returns when it was answered, and the refusals."""
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, trust_env=False) as client:
            sockets = [("nexus-gateway", await self._gateway_socket()), ("mcp-server", await self._mcp_socket())]
            asking = [asyncio.create_task(self._ask(client, name)) for name in PATHS]
            listening = [asyncio.create_task(self._listen(name, socket)) for name, socket in sockets]
            await asyncio.sleep(0.5)
            assert [task for task in (*asking, *listening) if task.done()] == []
            answer = await asyncio.to_thread(end)
            at = time.monotonic()
            assert answer.is_success, answer.text
            async with asyncio.timeout(PATIENCE_SECONDS):
                return at, list(await asyncio.gather(*asking, *listening))

    def _headers(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._person.tokens[name]}"}

    async def _gateway_socket(self) -> ClientConnection:
        address = f"ws://localhost:{self._stack.gateway_port}/v1/ws"
        socket = await connect(address, additional_headers=self._headers("nexus-gateway"), proxy=None)
        await socket.send('{"op": "subscribe", "channel": "data:product"}')
        assert json.loads(await socket.recv())["op"] == "subscribed"
        return socket

    async def _mcp_socket(self) -> ClientConnection:
        address = f"ws://localhost:{self._stack.mcp_port}/mcp"
        subprotocols = [Subprotocol("mcp")]
        headers = self._headers("mcp-server")
        return await connect(address, additional_headers=headers, subprotocols=subprotocols, proxy=None)

    async def _ask(self, client: httpx.AsyncClient, name: str) -> Refusal:
        url = f"{self._stack.address(APPS[name])}{PATHS[name]}"
        while True:
            answer = await client.get(url, headers=self._headers(name))
            if answer.status_code != 200:
                return Refusal(f"{name}, HTTP", time.monotonic(), answer.status_code)
            await asyncio.sleep(POLL_SECONDS)

    async def _listen(self, name: str, socket: ClientConnection) -> Refusal:
        try:
            message = await socket.recv()
        except ConnectionClosed as error:
            return Refusal(f"{name}, WebSocket", time.monotonic(), error.rcvd.code if error.rcvd else "aborted")
        return Refusal(f"{name}, WebSocket", time.monotonic(), str(message))


REFUSALS = {f"{name}, HTTP": 401 for name in PATHS} | {"nexus-gateway, WebSocket": 4401, "mcp-server, WebSocket": 4401}


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.what)
def test_all_services_refuse_within_a_second_when(
    stack: Stack, admin: httpx.Client, person: Person, figures: Figures, ending: Ending
) -> None:
    at, refusals = asyncio.run(Watch(stack, person).over(lambda: ending.make(admin, person)))
    last = max(refusals, key=lambda refusal: refusal.at)

    assert {refusal.where: refusal.said for refusal in refusals} == REFUSALS
    what = f"refused everywhere after {ending.what}; last: {last.where}"
    figures.at_most(what, max(0.0, last.at - at), MAX_SECONDS, "s")
    answer = person.client.post("/v1/sessions/refresh", json={"refresh_token": person.refresh_token})
    assert (answer.status_code, answer.json().get("scope")) == ((200, ending.left) if ending.left else (401, None))
