"""Many clients at once: no request fails while all is well, and no permitted request nears a memory limit."""

import asyncio
import json
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import httpx
import pytest
from harness import engine
from harness.figures import Figures
from harness.proofs import STACK_INPUTS, proof
from harness.stack import Stack, login
from websockets.asyncio.client import connect

from nexusctl.workspace import Service, load

T = TypeVar("T")

MAX_SHARE = 0.5
AT_ONCE = 32
MAX_SILENT_SECONDS = 30
CONNECTIONS_OF_A_USER = 20
_KIB = 1024

pytestmark = [
    proof("load", *STACK_INPUTS),
    pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session"),
]


@pytest.fixture
def token(stack: Stack) -> str:
    """The bootstrap admin's token."""
    with login(stack) as client:
        return client.headers["Authorization"].removeprefix("Bearer ")


def with_client(token: str, work: Callable[[httpx.AsyncClient], Awaitable[T]]) -> T:
    """Run `work` with a client that opens as many connections as it likes."""

    async def run() -> T:
        limits = httpx.Limits(max_connections=None)
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(headers=headers, limits=limits, timeout=120, trust_env=False) as client:
            return await work(client)

    return asyncio.run(run())


def test_1000_requests_at_once_are_answered(stack: Stack, token: str, figures: Figures) -> None:
    async def ask_all(client: httpx.AsyncClient) -> Counter[int]:
        answers = await asyncio.gather(*(client.get(f"{stack.gateway}/v1/me") for _ in range(1000)))
        return Counter(answer.status_code for answer in answers)

    statuses = with_client(token, ask_all)

    figures.at_most("answers of 5xx to 1,000 requests at once", sum(statuses[code] for code in range(500, 600)), 0)
    assert statuses == {200: 1000}


def tokens_of_users(stack: Stack, count: int) -> list[str]:
    """Tokens of so many new users who may read data."""
    tokens = []
    with login(stack) as client:
        for _ in range(count):
            user = {"username": f"load-{secrets.token_hex(4)}", "password": secrets.token_hex(16), "roles": ["viewer"]}
            assert client.post("/v1/users", json=user).status_code == 201
            credentials = {name: user[name] for name in ("username", "password")}
            tokens.append(str(client.post("/v1/sessions", json=credentials).json()["access_token"]))
    return tokens


def test_500_websockets_subscribe_at_once(stack: Stack, figures: Figures) -> None:
    tokens = tokens_of_users(stack, 500 // CONNECTIONS_OF_A_USER)
    frame = json.dumps({"op": "subscribe", "channel": "data:product"})
    address = f"{stack.gateway.replace('http', 'ws')}/v1/ws"

    async def subscribe(token: str) -> str:
        headers = {"Authorization": f"Bearer {token}"}
        async with connect(address, additional_headers=headers, open_timeout=60) as socket:
            await socket.send(frame)
            op = json.loads(await socket.recv())["op"]
            await asyncio.sleep(1)  # until all of them are open
            return str(op)

    async def subscribe_all() -> Counter[str]:
        return Counter(await asyncio.gather(*(subscribe(token) for token in tokens * CONNECTIONS_OF_A_USER)))

    answers = asyncio.run(subscribe_all())

    figures.at_least("of 500 WebSockets at once subscribed", answers["subscribed"], 500)
    assert answers == {"subscribed": 500}


_SCOPES = {
    "dataflow-service": ["data:read", "data:write"],
    "classification-service": ["classify"],
    "mcp-server": ["tools:call"],
}


class Requests:
    """The largest request that each endpoint permits, sent to the services themselves."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def of(self, app: Service) -> Iterator[tuple[str, bytes]]:
        """Path and body."""
        match app.name:
            case "nexus-gateway":
                yield "/v1/sessions", json.dumps({"username": "a", "password": "b" * 1024}).encode().ljust(64 * _KIB)
                yield "/v1/data/product/bulk", _rows(1000, 4 * _KIB * _KIB - 1000)
            case "dataflow-service":
                yield "/v1/product/bulk", _rows(1000, 4 * _KIB * _KIB - 1000)
                yield "/v1/product/bulk", b"[" + b"{}," * 99_000 + b"{}]"
            case "classification-service":
                yield "/v1/classify", _items(400, 10_000)
                yield "/v1/classify", _items(1000, 4000)
            case "mcp-server":
                yield "/mcp", _message(1024 * _KIB - 1000)


def _rows(count: int, size: int) -> bytes:
    text = "x" * (size // count - 40)
    return json.dumps([{"name": "drill", "description": text} for _ in range(count)]).encode()


def _items(count: int, length: int) -> bytes:
    items = [{"text": "cordless drill " + "x" * (length - 15)} for _ in range(count)]
    return json.dumps({"taxonomy": "unspsc", "top_k": 20, "items": items}).encode()


def _message(size: int) -> bytes:
    params: dict[str, Any] = {"padding": [{} for _ in range(size // 8)]}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": params}).encode()


def peak_bytes(container: str) -> int:
    """The most that a container's processes have had in memory, each counted whole."""
    return sum(int(engine.process_status(pid)["VmHWM"].split()[0]) for pid in engine.processes(container)) * _KIB


@pytest.mark.parametrize("app", load().apps, ids=lambda app: app.name)
def test_the_largest_requests_at_once_take_half_of_the_memory_at_most(
    stack: Stack, token: str, app: Service, figures: Figures
) -> None:
    container = stack.container(app.name)
    limit = container["HostConfig"]["Memory"]

    async def send_all(client: httpx.AsyncClient) -> Counter[int]:
        statuses: Counter[int] = Counter()
        headers = {"Authorization": f"Bearer {_token_for(stack, app, token)}"}
        for path, body in Requests(stack).of(app):
            sent = (_send(client, f"{stack.address(app)}{path}", body, headers) for _ in range(AT_ONCE))
            statuses.update(await asyncio.gather(*sent))
        return statuses

    statuses = with_client(token, send_all)
    peak = peak_bytes(container["Id"])

    figures.at_most(f"share of memory of {app.name}, {AT_ONCE} largest requests", peak / limit, MAX_SHARE)
    assert statuses[500] == 0
    assert stack.container(app.name)["State"]["OOMKilled"] is False


def _token_for(stack: Stack, app: Service, token: str) -> str:
    if app.name == "nexus-gateway":
        return token
    with login(stack) as client:
        wanted = {"audience": app.name, "scopes": _SCOPES[app.name]}
        return str(client.post("/v1/tokens", json=wanted).json()["access_token"])


async def _send(client: httpx.AsyncClient, url: str, body: bytes, headers: dict[str, str]) -> int:
    kind = {"Content-Type": "application/json", "Accept": "application/json"}
    try:
        return (await client.post(url, content=body, headers=headers | kind)).status_code
    except httpx.TransportError:
        return 0


def test_2000_silent_connections_disturb_nobody(stack: Stack, token: str, figures: Figures) -> None:
    """They are closed within 30 s, and others are served meanwhile."""

    async def hold(client: httpx.AsyncClient) -> tuple[int, float]:
        held = [await asyncio.open_connection("127.0.0.1", stack.gateway_port) for _ in range(2000)]
        status = (await client.get(f"{stack.gateway}/v1/me", timeout=5)).status_code
        started = time.monotonic()
        await asyncio.gather(*(reader.read() for reader, _ in held))
        seconds = time.monotonic() - started
        for _, writer in held:
            writer.close()
        return status, seconds

    status, seconds = with_client(token, hold)

    assert status == 200
    figures.at_most("2,000 silent connections are closed within", seconds, MAX_SILENT_SECONDS, "s")
