"""Tool calls as tasks: whose they are, where they go on, and what becomes of them when a process dies."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from conftest import SCOPES, MakeSettings
from event_streams import next_message
from fixtures_of_suite import catalogue
from mcp_clients import MODERN_META, error_response, message, modern_headers

from mcp_server.app import create_app
from nexus_testkit import Issuer, ServiceProcess, serving

EXTENSIONS = {"extensions": {"io.modelcontextprotocol/tasks": {}}, "elicitation": {}}
META = {**MODERN_META, "io.modelcontextprotocol/clientCapabilities": EXTENSIONS}
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


def _request(method: str, meta: dict[str, Any] = META, **params: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON value
    full = {**params, "_meta": meta}
    return {"json": message(method, full), "headers": modern_headers(method, full)}


async def _send(client: aiohttp.ClientSession, method: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401  JSON
    async with client.post("/mcp", **_request(method, **params)) as response:
        return dict(await response.json())


async def _start(client: aiohttp.ClientSession, name: str, **arguments: object) -> str:
    result = (await _send(client, "tools/call", name=name, arguments=arguments))["result"]
    assert result["resultType"] == "task"
    return str(result["taskId"])


async def _until(client: aiohttp.ClientSession, task_id: str, *statuses: str, seconds: float = 20) -> dict[str, Any]:
    async with asyncio.timeout(seconds):
        while True:
            task: dict[str, Any] = (await _send(client, "tasks/get", taskId=task_id))["result"]
            if task["status"] in statuses:
                return task
            await asyncio.sleep(0.02)


@pytest.fixture
async def second(make_settings: MakeSettings, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of another process of the same service."""
    app = create_app(make_settings(), lambda _upstreams, notices: catalogue(notices))
    async with (
        serving(app) as url,
        aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"}) as session,
    ):
        yield session


async def test_a_task_has_an_unguessable_id_and_keeps_its_result(fixture_client: aiohttp.ClientSession) -> None:
    task_id = await _start(fixture_client, "slow_compute", seconds=0.05, label="x")
    assert len(task_id) >= 32
    task = await _until(fixture_client, task_id, "completed")
    assert task["result"] == {"content": [{"type": "text", "text": "computed x"}], "isError": False}
    assert (task["ttlMs"], task["pollIntervalMs"]) == (3_600_000, 1000)


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
@pytest.mark.parametrize("claims", [{"subject": "mallory"}, {"client_id": "other"}], ids=["user", "client"])
async def test_the_task_of_another_user_or_client_answers_as_one_that_is_unknown(
    fixture_client: aiohttp.ClientSession, fixture_service: str, issuer: Issuer, method: str, claims: dict[str, str]
) -> None:
    task_id = await _start(fixture_client, "slow_compute", seconds=30)
    headers = {"Authorization": f"Bearer {issuer.mint('mcp-server', SCOPES, **claims)}"}
    async with aiohttp.ClientSession(fixture_service, headers=headers) as other:
        for unknown in (task_id, "x" * 32):
            refused = await _send(other, method, taskId=unknown, inputResponses={})
            assert refused == error_response(-32602, f"There is no task '{unknown}'; it may have expired")
        listened = _request("subscriptions/listen", notifications={"taskIds": [task_id]})
        async with other.post("/mcp", **listened) as stream:
            assert (await next_message(stream))["params"]["notifications"] == {}
    assert (await _send(fixture_client, "tasks/get", taskId=task_id))["result"]["status"] == "working"


async def test_a_task_is_cancelled_at_any_process(
    fixture_client: aiohttp.ClientSession, second: aiohttp.ClientSession
) -> None:
    task_id = await _start(fixture_client, "slow_compute", seconds=30)
    acknowledged = (await _send(second, "tasks/cancel", taskId=task_id))["result"]
    assert set(acknowledged) == {"resultType", "_meta"}
    for client in (fixture_client, second):
        assert (await _send(client, "tasks/get", taskId=task_id))["result"]["status"] == "cancelled"


async def test_a_task_that_waits_for_input_goes_on_at_the_process_that_receives_it(
    make_settings: MakeSettings, token: str, second: aiohttp.ClientSession
) -> None:
    app = create_app(make_settings(), lambda _upstreams, notices: catalogue(notices))
    headers = {"Authorization": f"Bearer {token}"}
    async with serving(app) as url, aiohttp.ClientSession(url, headers=headers) as first:
        task_id = await _start(first, "confirm_delete", filename="x")
        key = next(iter((await _until(first, task_id, "input_required"))["inputRequests"]))
    await _send(second, "tasks/update", taskId=task_id, inputResponses={key: {"action": "accept"}})
    task = await _until(second, task_id, "completed")
    assert task["result"]["content"][0]["text"] == 'deleted: {"confirm": {"action": "accept"}}'


async def test_a_stream_has_each_change_of_a_task_first_acknowledged_with_its_id(
    fixture_client: aiohttp.ClientSession,
) -> None:
    task_id = await _start(fixture_client, "confirm_delete", filename="x")
    key = next(iter((await _until(fixture_client, task_id, "input_required"))["inputRequests"]))
    async with fixture_client.post(
        "/mcp", **_request("subscriptions/listen", notifications={"taskIds": [task_id, "x" * 32]})
    ) as stream:
        assert await next_message(stream) == {
            "jsonrpc": "2.0",
            "method": "notifications/subscriptions/acknowledged",
            "params": {"notifications": {"taskIds": [task_id]}, "_meta": {SUBSCRIPTION: 1}},
        }
        await _send(fixture_client, "tasks/update", taskId=task_id, inputResponses={key: {"action": "decline"}})
        seen = []
        while "completed" not in seen:
            notified = await next_message(stream)
            assert (notified["method"], notified["params"]["_meta"]) == ("notifications/tasks", {SUBSCRIPTION: 1})
            seen.append(notified["params"]["status"])
        assert notified["params"]["result"]["isError"] is False


async def test_notices_of_tasks_need_the_extension(fixture_client: aiohttp.ClientSession) -> None:
    listened = _request("subscriptions/listen", MODERN_META, notifications={"taskIds": ["x"]})
    async with fixture_client.post("/mcp", **listened) as response:
        assert response.status == 400
        error = (await response.json())["error"]
    required = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    assert (error["code"], error["data"]) == (-32021, {"requiredCapabilities": required})


async def test_a_service_that_stops_reports_its_tasks_as_failed(
    make_settings: MakeSettings, token: str, second: aiohttp.ClientSession
) -> None:
    app = create_app(make_settings(), lambda _upstreams, notices: catalogue(notices))
    headers = {"Authorization": f"Bearer {token}"}
    async with serving(app) as url, aiohttp.ClientSession(url, headers=headers) as first:
        task_id = await _start(first, "slow_compute", seconds=30)
    task = (await _send(second, "tasks/get", taskId=task_id))["result"]
    text = "The server stopped before the task ended. Call the tool again."
    assert (task["status"], task["error"]) == ("failed", {"code": -32603, "message": text})


@pytest.fixture
def process(environment: dict[str, str]) -> ServiceProcess:
    """The service with the fixtures, as a process of its own."""
    tests = Path(__file__).parent.parent
    paths = {"PYTHONPATH": os.pathsep.join([str(tests), environment["PYTHONPATH"]])}
    return ServiceProcess([tests / "fixture_process.py"], environment | paths)


async def test_a_process_that_is_killed_loses_no_task(
    process: ServiceProcess,
    second: aiohttp.ClientSession,
    token: str,
) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    await asyncio.to_thread(process.wait_until_it_answers)
    async with aiohttp.ClientSession(process.url, headers=headers) as first:
        running = await asyncio.gather(*(_start(first, "slow_compute", seconds=60) for _ in range(20)))
        waiting = await _start(first, "confirm_delete", filename="x")
        ended = await _start(first, "slow_compute", seconds=0)
        await _until(first, ended, "completed")
        key = next(iter((await _until(first, waiting, "input_required"))["inputRequests"]))
        for pid in [*_children(process.process.pid), process.process.pid]:
            os.kill(pid, signal.SIGKILL)
    failed = await asyncio.gather(*(_until(second, task_id, "failed", seconds=40) for task_id in running))
    text = "The server process that ran the task has ended. Call the tool again."
    assert [task["error"] for task in failed] == [{"code": -32603, "message": text}] * 20
    assert (await _until(second, ended, "completed"))["result"]["isError"] is False
    await _send(second, "tasks/update", taskId=waiting, inputResponses={key: {"action": "accept"}})
    assert (await _until(second, waiting, "completed"))["result"]["isError"] is False


def _children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
