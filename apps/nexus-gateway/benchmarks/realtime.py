"""Real time: memory of an idle WebSocket, events sent in a second, and many clients that come back at once.

Each beside a bare ASGI application on uvicorn with the package websockets, measured in the same run.

Run: python benchmarks/realtime.py [--connections 1000] [--subscribers 500] [--events 200]
from the app's folder, with the app and nexus_testkit on PYTHONPATH, NEXUS_TEST_POSTGRES_URL (as superuser) and
NEXUS_TEST_REDIS_URL. Each server is a process of its own on 127.0.0.1. What is sent in a second of one core is what was
sent divided by the CPU time of all threads of the server; the clients' is not counted.
"""

import argparse
import asyncio
import json
import os
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, override

from redis.asyncio import Redis
from serving import Served, database, gateway, serve, served, settings

from nexus_chassis.channels import Channel, publish
from nexus_gateway.oauth.keys.signing_key import SigningKey

CHANNEL = "data:product"
EVENT = {"op": "update", "id": 4711, "changed": ["name", "supplier", "unspsc_code"]}
PER_PRINCIPAL = 20
KIB = 1024


def bare() -> Any:  # noqa: ANN401  an ASGI application
    """An application that sends a text to all its connections as often as one of them says."""
    text = json.dumps({"op": "event", "channel": CHANNEL, "epoch": "0" * 16, "offset": "0" * 15, "data": EVENT})
    sends: set[Any] = set()

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  ASGI's own types
        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept"})
        sends.add(send)
        try:
            while (message := await receive())["type"] == "websocket.receive":
                if count := int(message["text"]):
                    for _ in range(count):
                        for other in list(sends):
                            await other({"type": "websocket.send", "text": text})
                        await asyncio.sleep(0)
                else:
                    await send({"type": "websocket.send", "text": text})
        finally:
            sends.discard(send)

    return app


APPS = {"bare": bare, "gateway": gateway}
OPTIONS: dict[str, dict[str, Any]] = {"bare": {"ws": "websockets-sansio", "lifespan": "off"}, "gateway": {}}


def memory(server: Served) -> int:
    """Bytes that are resident of a server's process."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) * KIB


class Client(asyncio.Protocol):
    """A client of a WebSocket that costs little: it only counts what it receives."""

    def __init__(self) -> None:
        self.status = 0
        self.events = 0
        self.answers = 0
        self._rest = b""
        self._changed = asyncio.Event()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if not self.status:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._rest = head
                return
            self.status = int(head.split()[1])
        self.events += data.count(b'"event"')
        self.answers += data.count(b'"subscribed"') + data.count(b'"reset"')
        self._rest = data[-9:].rpartition(b'"')[2] if b'"event"' not in data[-9:] else b""
        self._changed.set()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._changed.set()

    def send(self, text: str) -> None:
        """Send a frame; its mask is zero."""
        data = text.encode()
        head = b"\x81\xfe" + len(data).to_bytes(2) + bytes(4)
        self.transport.write(head + data)  # type: ignore[attr-defined]  a transport

    async def until(self, *, events: int = 0, answers: int = 0, seconds: float = 60) -> None:
        """Wait until it has received so much."""
        async with asyncio.timeout(seconds):
            while not self.status or self.events < events or self.answers < answers:
                self._changed.clear()
                await self._changed.wait()


async def connect(server: Served, token: str) -> Client:
    """A connection that is open."""
    _, client = await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", server.port)
    client.transport.write(  # type: ignore[attr-defined]  a transport
        f"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Authorization: Bearer {token}\r\n\r\n".encode()
    )
    await client.until()
    return client


@asynccontextmanager
async def connected(server: Served, tokens: list[str]) -> AsyncIterator[list[Client]]:
    """Connections that are open, one for each token."""
    clients: list[Client] = []
    try:
        clients.extend([await connect(server, token) for token in tokens])
        yield clients
    finally:
        for client in clients:
            client.transport.abort()  # type: ignore[attr-defined]  a transport


def mint(key: SigningKey, count: int) -> list[str]:
    """Tokens for so many connections, as many for one principal as it may have."""
    now = int(time.time())
    claims = {"iss": "http://localhost:8000", "aud": "nexus-gateway", "client_id": "bench", "scope": "data:read"}
    principals = [
        key.sign(claims | {"sub": f"user-{number}", "jti": secrets.token_hex(8), "iat": now, "exp": now + 3600})
        for number in range(-(-count // PER_PRINCIPAL))
    ]
    return [principals[number // PER_PRINCIPAL] for number in range(count)]


async def idle_bytes(server: Served, tokens: list[str], frame: str | None) -> float:
    """Resident bytes of an open connection, which is subscribed by `frame`."""
    async with connected(server, tokens[:50]) as warm:
        if frame:
            await subscribe(warm, frame)
    await asyncio.sleep(0.5)
    before = memory(server)
    async with connected(server, tokens) as clients:
        if frame:
            await subscribe(clients, frame)
        await asyncio.sleep(1)
        return (memory(server) - before) / len(clients)


async def subscribe(clients: list[Client], frame: str) -> None:
    """Subscribe all."""
    for client in clients:
        client.send(frame)
    for client in clients:
        await client.until(answers=1)


async def bare_rate(server: Served, count: int, events: int) -> float:
    """Texts that the bare application sends in a second of one core."""
    async with connected(server, ["none"] * count) as clients:
        before = server.cpu_seconds()
        clients[0].send(str(events))
        for client in clients:
            await client.until(events=events)
        return count * events / (server.cpu_seconds() - before)


async def gateway_rate(server: Served, tokens: list[str], redis: Redis, events: int) -> float:
    """Events that the gateway sends in a second of one core."""
    channel = Channel.parse(CHANNEL, None)
    async with connected(server, tokens) as clients:
        await subscribe(clients, json.dumps({"op": "subscribe", "channel": CHANNEL}))
        before = server.cpu_seconds()
        for _ in range(events):
            await publish(redis, channel, EVENT)
        for client in clients:
            await client.until(events=events)
        return len(clients) * events / (server.cpu_seconds() - before)


async def come_back(server: Served, tokens: list[str], redis: Redis, missed: int) -> tuple[Counter[int], float]:
    """Statuses of clients that connect at once, and seconds until all have the events that they missed."""
    channel = Channel.parse(CHANNEL, None)
    place = await publish(redis, channel, EVENT)
    for _ in range(missed):
        await publish(redis, channel, EVENT)
    frame = json.dumps({"op": "subscribe", "channel": CHANNEL, "epoch": place.epoch, "offset": place.offset})

    async def resume(token: str) -> Client:
        client = await connect(server, token)
        if client.status == 101:  # noqa: PLR2004  switching protocols
            client.send(frame)
            await client.until(events=missed, answers=1)
        return client

    started = time.perf_counter()
    clients = await asyncio.gather(*map(resume, tokens))
    seconds = time.perf_counter() - started
    for client in clients:
        client.transport.abort()  # type: ignore[attr-defined]  a transport
    return Counter(client.status for client in clients), seconds


async def measure(options: argparse.Namespace) -> None:
    """Print the figures."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        postgres_url = await stack.enter_async_context(database())
        redis = await stack.enter_async_context(
            Redis.from_url(os.environ["NEXUS_TEST_REDIS_URL"], decode_responses=True)
        )
        environment = settings(Path(folder), postgres_url, "http://127.0.0.1:9")
        plain = stack.enter_context(served(__file__, ["--serve", "bare"], {}))
        running = stack.enter_context(served(__file__, ["--serve", "gateway"], environment))
        tokens = mint(SigningKey.load(Path(environment["NEXUS_SIGNING_KEY_FILE"])), options.connections)
        frame = json.dumps({"op": "subscribe", "channel": CHANNEL})
        sizes = await idle_bytes(plain, ["none"] * len(tokens), None), await idle_bytes(running, tokens, frame)
        report("memory of an idle WebSocket, KiB", *(size / KIB for size in sizes))
        subscribers = tokens[: options.subscribers]
        rates = (
            await bare_rate(plain, len(subscribers), options.events),
            await gateway_rate(running, subscribers, redis, options.events),
        )
        report("events sent in a second of one core", *rates)
        statuses, seconds = await come_back(running, tokens, redis, 20)
        print(f"{len(tokens)} clients come back at once: statuses {dict(statuses)}, all resumed after {seconds:.2f} s")


def report(what: str, baseline: float, found: float) -> None:
    """Print a figure beside its baseline."""
    print(f"{what}: bare {baseline:.1f}, gateway {found:.1f}, {found / baseline:.2f} times the bare application")


def main() -> None:
    """Measure, or serve for a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", choices=APPS, help=argparse.SUPPRESS)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--subscribers", type=int, default=500)
    parser.add_argument("--events", type=int, default=200)
    options = parser.parse_args()
    import uvloop  # noqa: PLC0415  the loop that the services run in

    if options.serve:
        uvloop.run(serve(APPS[options.serve](), websockets=True, **OPTIONS[options.serve]))
    else:
        uvloop.run(measure(options))


if __name__ == "__main__":
    main()
