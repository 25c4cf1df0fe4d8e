"""A server outside the stack, which registered tools call and which misbehaves on request, down to single bytes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, override

from aiohttp.abc import AbstractResolver, ResolveResult

HOST = "api.outside.example"
JSON = "Content-Type: application/json\r\n"

type Answer = Callable[["Received"], bytes]


class Received:
    """One request as it arrived."""

    def __init__(self, head: str, body: bytes) -> None:
        line, *rest = head.split("\r\n")
        self.method, self.target, _ = line.split(" ")
        self.headers = {name.lower(): value.strip() for name, _, value in (part.partition(":") for part in rest)}
        self.body = body


class Outside:
    """The server. `answer` makes the bytes to answer with; after them the connection is closed."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: Answer = lambda _received: whole({"ok": True})
        self.delay = 0.0
        self.port = 0

    @property
    def url(self) -> str:
        """The start of its addresses."""
        return f"http://{HOST}:{self.port}"

    @property
    def allowed(self) -> str:
        """The value of NEXUS_TOOL_HOSTS that permits it."""
        return f"{self.url}=127.0.0.0/8"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip()
            received = Received(head, b"")
            received.body = await reader.readexactly(int(received.headers.get("content-length", 0)))
            self.received.append(received)
            await asyncio.sleep(self.delay)
            writer.write(self.answer(received))
            await writer.drain()
        writer.close()


def raw(head: str, body: bytes = b"", status: str = "200 OK") -> bytes:
    """An answer with exactly these header lines."""
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def whole(content: Any, status: str = "200 OK", head: str = "") -> bytes:  # noqa: ANN401  any JSON value
    """A proper answer."""
    body = json.dumps(content).encode()
    return raw(f"{JSON}{head}Content-Length: {len(body)}\r\n", body, status)


@asynccontextmanager
async def running_outside() -> AsyncIterator[Outside]:
    """The server on a free port of 127.0.0.1."""
    outside = Outside()
    server = await asyncio.start_server(outside.serve, "127.0.0.1", 0)
    outside.port = server.sockets[0].getsockname()[1]
    async with server:
        yield outside


class Names(AbstractResolver):
    """A DNS whose answers a test chooses: the addresses of each name, one after the other."""

    def __init__(self, answers: dict[str, list[str]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    @override
    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        self.asked.append(host)
        answers = self.answers[host]
        address = answers.pop(0) if len(answers) > 1 else answers[0]
        return [{"hostname": host, "host": address, "port": port, "family": 2, "proto": 0, "flags": 0}]

    @override
    async def close(self) -> None:
        """Nothing is open."""
