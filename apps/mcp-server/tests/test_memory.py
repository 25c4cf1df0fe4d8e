"""The largest messages and answers that are permitted, many at once, stay below half of the container's memory."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from conftest import SCOPES
from stack import Stack, answering

from mcp_server.limits import MAX_MESSAGE_BYTES
from nexus_testkit import Issuer, ServiceProcess

CONTAINER = 512  # MiB, docker-compose.production.yml
AT_ONCE = 32
USERS = 8


@pytest.fixture
async def process(environment: dict[str, str], stack: Stack) -> AsyncIterator[ServiceProcess]:
    """The service as one worker process under its supervisor."""
    urls = dict.fromkeys(("NEXUS_GATEWAY_URL", "NEXUS_CLASSIFICATION_URL", "NEXUS_DATAFLOW_URL"), stack.url)
    process = ServiceProcess(["-m", "mcp_server"], environment | urls)
    await asyncio.to_thread(process.wait_until_it_answers)
    yield process
    await asyncio.to_thread(process.stop)


def _peak(process: ServiceProcess) -> int:
    """Peak of resident memory in MiB of the worker, and what its supervisor has beside the files that both map."""
    (worker,) = _children(process.process.pid).split()
    return (_kibibytes(int(worker), "VmHWM") + _kibibytes(process.process.pid, "RssAnon")) // 1024


def _kibibytes(pid: int, name: str) -> int:
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])


def _children(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()


def _call(name: str, **arguments: object) -> bytes:
    params = {"name": name, "arguments": arguments}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()


def _largest_call() -> bytes:
    """A call with as many values and as many bytes as are permitted."""
    product = {"text": "", "attributes": {"x": [{} for _ in range(49_900)]}}
    size = len(_call("classify_products", products=[product]))
    return _call("classify_products", products=[{**product, "text": "x" * (MAX_MESSAGE_BYTES - size)}])


async def _post_all(process: ServiceProcess, issuer: Issuer, body: bytes) -> list[int]:
    """Statuses of calls that several users send at once."""
    users = [issuer.mint("mcp-server", SCOPES, subject=f"user-{number}") for number in range(USERS)]

    async def post(number: int) -> int:
        headers = {"Authorization": f"Bearer {users[number % USERS]}", "Content-Type": "application/json"}
        async with client.post("/mcp", data=body, headers=headers) as response:
            await response.read()
            return response.status

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(process.url, connector=connector) as client:
        return await asyncio.gather(*(post(number) for number in range(AT_ONCE)))


async def test_the_largest_messages_at_once_stay_below_half_of_the_memory(
    process: ServiceProcess, issuer: Issuer, stack: Stack
) -> None:
    body = _largest_call()
    assert len(body) == MAX_MESSAGE_BYTES
    stack.delay = 1
    statuses = await _post_all(process, issuer, body)
    assert set(statuses) <= {200, 429, 503}
    assert statuses.count(200) >= AT_ONCE // 4
    assert _peak(process) < CONTAINER / 2


async def test_the_largest_answers_at_once_stay_below_half_of_the_memory(
    process: ServiceProcess, issuer: Issuer, stack: Stack
) -> None:
    rows = [{"id": number, "name": "x" * 1024 * 1020} for number in range(4)]
    stack.misbehave["/v1/product"] = answering(200, json.dumps({"items": rows, "next": "3"}))
    statuses = await _post_all(process, issuer, _call("list_products"))
    assert statuses == [200] * AT_ONCE
    assert _peak(process) < CONTAINER / 2
