"""Streams of rows to and from dataflow-service: long, as fast as both ends are, and in no memory."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from conftest import problem
from raw_http import raw_request
from upstream import Upstream

from nexus_chassis import protocol
from nexus_chassis.settings import load
from nexus_gateway.proxy import routes as route_table
from nexus_gateway.proxy.routes import MIB, Route, routes
from nexus_gateway.settings import Settings
from nexus_testkit import waiting

until = partial(waiting.until, seconds=5)
PART = bytes(65536)
NDJSON = {"Content-Type": "application/x-ndjson"}
WRITTEN = (201, "written")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Rows:
    """A body of parts, with a pause after each but the first; `sent` are those that the client has passed to its connection."""

    def __init__(self, parts: int, pause: float = 0) -> None:
        self.sent = 0
        self._parts = parts
        self._pause = pause

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self._parts):
            yield PART
            self.sent += 1
            await asyncio.sleep(self._pause if self.sent > 1 else 0)


type Send = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
def send(gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> Send:
    """Sends rows to the bulk address of a model; returns status and body."""

    async def send(rows: Rows, model: str = "product", **query: str) -> tuple[int, Any]:
        url = f"{gateway}/v1/data/{model}/bulk"
        async with http.post(url, headers=admin | NDJSON, data=rows.__aiter__(), params=query) as response:
            return response.status, await response.json(content_type=None)

    return send


def memory() -> int:
    """Resident bytes of this process, in which client, gateway and service run."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


@asynccontextmanager
async def memory_that_stays(growth: int) -> AsyncIterator[None]:
    """Context manager during which the memory must not grow by more than so many bytes."""
    before, peak = memory(), 0

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, memory())
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    yield
    watching.cancel()
    assert peak - before < growth


async def test_64_mib_are_passed_on_in_less_than_8_mib_of_memory(send: Send, upstream: Upstream) -> None:
    await send(Rows(128))
    upstream.bulk_bytes = 0
    async with memory_that_stays(8 * MIB):
        assert await send(Rows(1024)) == WRITTEN

    assert upstream.bulk_bytes == 64 * MIB


async def test_an_export_of_64_mib_is_passed_back_in_less_than_8_mib_of_memory(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    async def size(parts: int) -> int:
        url = f"{gateway}/v1/data/product/export?parts={parts}"
        async with http.get(url, headers=admin) as response:
            return sum([len(part) async for part in response.content.iter_any()])

    await size(128)
    async with memory_that_stays(8 * MIB):
        assert await size(1024) == 64 * MIB


async def test_a_service_that_does_not_read_stops_the_client(send: Send, upstream: Upstream) -> None:
    upstream.reading.clear()
    rows = Rows(1024)
    async with memory_that_stays(8 * MIB):
        sending = asyncio.create_task(send(rows))
        await asyncio.sleep(1)
        waiting = rows.sent
        await asyncio.sleep(0.5)

    assert (rows.sent, waiting < 512) == (waiting, True)  # what has left the client is in buffers of the kernel
    upstream.reading.set()
    assert await sending == WRITTEN
    assert upstream.bulk_bytes == 64 * MIB


async def test_an_absent_client_ends_the_stream_of_the_service(send: Send, upstream: Upstream) -> None:
    sending = asyncio.create_task(send(Rows(1024, pause=0.05)))
    await until(lambda: upstream.bulk_bytes > 0)
    sending.cancel()

    await until(lambda: upstream.bulk_broken == 1)


async def test_an_answer_before_the_end_reaches_the_client_at_once(send: Send) -> None:
    rows = Rows(1024, pause=0.05)

    async with asyncio.timeout(20):
        assert await send(rows, "refused") == (422, "refused")
    assert rows.sent < 100


async def test_a_client_that_stops_sending_is_closed_and_so_is_the_stream_of_the_service(
    send: Send, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.4)
    began = time.monotonic()

    detail = f"The body arrives slower than {protocol.MIN_RATE} bytes a second."
    assert await send(Rows(8, pause=30)) == problem(408, "request-timeout", "Request Timeout", detail)
    assert time.monotonic() - began < 2
    await until(lambda: upstream.bulk_broken == 1)


LATE = problem(
    504,
    "upstream-timeout",
    "A service took too long",
    "dataflow-service did not answer in time. Try again later. /v1/status shows the state of each service.",
    service="dataflow-service",
)


class TestLimits:
    @pytest.fixture(autouse=True)
    def small_limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The route table with tight limits: 0.3 s and 1 MiB, for streams of rows 2 s and 4 MiB."""
        rows = replace(route_table.BULK, seconds=2, body_limit=4 * MIB)

        def tight(settings: Settings) -> tuple[Route, ...]:
            return tuple(
                replace(route, timeout=0.3, body_limit=MIB, uploads=route.uploads and rows)
                for route in routes(settings)
            )

        monkeypatch.setattr(route_table, "routes", tight)

    async def test_rows_may_be_sent_and_written_for_longer_than_other_requests(
        self, send: Send, upstream: Upstream
    ) -> None:
        assert await send(Rows(32, pause=0.02), answer_after="0.5") == WRITTEN
        assert upstream.bulk_bytes == 2 * MIB

    async def test_sending_and_writing_have_a_time_together(self, send: Send, upstream: Upstream) -> None:
        began = time.monotonic()

        assert await send(Rows(64, pause=0.1)) == LATE
        assert 1.9 < time.monotonic() - began < 6
        await until(lambda: upstream.bulk_broken == 1)

    async def test_a_service_that_does_not_answer_in_that_time(self, send: Send) -> None:
        began = time.monotonic()

        assert await send(Rows(2), answer_after="4") == LATE
        assert 1.9 < time.monotonic() - began < 6

    async def test_slow_clients_open_no_circuit(self, send: Send) -> None:
        assert await asyncio.gather(*(send(Rows(64, pause=0.1)) for _ in range(6))) == [LATE] * 6
        assert await send(Rows(2)) == WRITTEN

    async def test_a_stream_that_turns_out_too_long(self, send: Send, upstream: Upstream) -> None:
        detail = f"At most {4 * MIB} bytes are accepted here. Send the content in parts."
        refused = problem(413, "body-too-large", "The request body is too large", detail, limit=4 * MIB)

        assert await send(Rows(80)) == refused
        await until(lambda: upstream.bulk_broken == 1)
        assert upstream.bulk_bytes <= 4 * MIB


@pytest.mark.parametrize(
    ("media_type", "limit"), [("application/x-ndjson", 1024 * MIB), ("application/json", 16 * MIB)]
)
async def test_a_length_above_the_limit_is_refused_before_the_body(
    gateway: str, admin: dict[str, str], upstream: Upstream, media_type: str, limit: int
) -> None:
    answer = await raw_request(
        gateway,
        "POST /v1/data/product/bulk HTTP/1.1",
        "Host: localhost",
        f"Authorization: {admin['Authorization']}",
        f"Content-Type: {media_type}",
        f"Content-Length: {limit + 1}",
    )

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert f'"limit":{limit}'.encode() in answer.replace(b" ", b"")
    assert (upstream.bulk_bytes, upstream.bulk_broken) == (0, 0)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("method", "path", "types", "mib"),
    [
        ("POST", "/v1/data/product/bulk", ["application/x-ndjson"], 1024),
        ("POST", "/v1/data/product/bulk", ["Text/CSV; charset=utf-8"], 1024),
        ("POST", "/v1/data/product/bulk", ["application/json"], 16),
        ("POST", "/v1/data/product/bulk", ["text/csv", "text/csv"], 16),
        ("POST", "/v1/data/product/bulk", [], 16),
        ("PUT", "/v1/data/product/bulk", ["text/csv"], 16),
        ("POST", "/v1/data/product", ["text/csv"], 16),
        ("POST", "/v1/data/bulk", ["text/csv"], 16),
        ("POST", "/v1/data/product/x/bulk", ["text/csv"], 16),
        ("POST", "/v1/data/product/bulk/", ["text/csv"], 16),
        ("POST", "/v1/agents/product/bulk", ["text/csv"], 4),
        ("POST", "/pages/data/product/bulk", ["text/csv"], 1 / 16),
    ],
)
def test_only_streams_of_rows_may_be_long(method: str, path: str, types: list[str], mib: float) -> None:
    (route,) = [route for route in routes(load(Settings)) if path.startswith(f"{route.prefix}/")]
    headers = [(b"content-type", value.encode()) for value in types]

    assert route.of({"method": method, "path": path, "headers": headers}).body_limit == mib * MIB
