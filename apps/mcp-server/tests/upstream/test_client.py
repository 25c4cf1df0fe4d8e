import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from conftest import MakeSettings
from mcp_clients import NO_TOKEN, ModernHttp, ModernWebSocket, http_client, message, text_of_failure
from stack import Misbehaviour, Stack, answering, hang_up, running

from mcp_server import app
from mcp_server.app import create_app
from nexus_chassis.http import create_http_session
from nexus_testkit import Issuer, serving


async def _redirect(_request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("http://169.254.169.254/latest")


PROBLEM = '{"title": "The model is loading", "detail": "Wait a little."}'
FAILURES: list[Any] = [
    pytest.param(
        answering(503, PROBLEM),
        "classification-service failed (503): The model is loading: Wait a little. Try again later.",
        id="problem",
    ),
    pytest.param(
        answering(500, "[]"),
        "classification-service failed (500): it names no reason. Try again later.",
        id="no problem",
    ),
    pytest.param(
        answering(422, PROBLEM),
        "classification-service refuses the call (422): The model is loading: Wait a little.",
        id="refusal",
    ),
    pytest.param(
        answering(200, "<html>", "text/html"),
        "The call to classification-service failed: its answer is not JSON. Try again later.",
        id="no JSON",
    ),
    pytest.param(
        answering(200, '{"items": [{"code": 5}]}'),
        (
            "The answer behind classify_products does not agree with its output schema: "
            "items/0/code: 5 is not of type 'string'; items/0: 'candidates' is a required property; "
            "(all): 'taxonomy' is a required property"
        ),
        id="another form",
    ),
    pytest.param(
        hang_up,
        (
            "The call to classification-service failed: it could not be reached (ServerDisconnectedError). "
            "Try again later."
        ),
        id="hangs up",
    ),
    pytest.param(
        _redirect,
        "The call to classification-service failed: its answer is not JSON. Try again later.",
        id="redirects",
    ),
]


@pytest.mark.parametrize(("misbehaviour", "text"), FAILURES)
async def test_a_failing_service_is_reported_to_the_agent(
    client: aiohttp.ClientSession, stack: Stack, misbehaviour: Misbehaviour, text: str
) -> None:
    stack.misbehave["/v1/classify"] = misbehaviour
    assert await text_of_failure(client) == text
    del stack.misbehave["/v1/classify"]
    body = message("tools/call", {"name": "classify_products", "arguments": {"products": [{"text": "x"}]}})
    assert (await (await client.post("/mcp", json=body)).json())["result"]["isError"] is False


async def test_calls_have_the_time_limits_of_the_gateways_routes(make_settings: MakeSettings) -> None:
    async with create_http_session() as session:
        upstreams = app.connect(make_settings(), session)
    assert (upstreams.classification.timeout_seconds, upstreams.dataflow.timeout_seconds) == (120, 30)


async def _late(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.Response()


async def test_a_call_that_takes_too_long_fails(
    make_settings: MakeSettings, stack: Stack, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "CLASSIFICATION_SECONDS", 0.2)
    stack.misbehave["/v1/classify"] = _late
    urls = dict.fromkeys(("gateway_url", "classification_url"), stack.url)
    headers = {"Authorization": f"Bearer {token}"}
    async with serving(create_app(make_settings(**urls))) as url, http_client(url, headers=headers) as client:
        text = "The call to classification-service failed: it did not answer in time. Try again later."
        assert await text_of_failure(client) == text


async def test_health_is_degraded_while_a_service_behind_is_away_and_heals_by_itself(
    make_settings: MakeSettings, issuer: Issuer, token: str, unused_tcp_port: int
) -> None:
    urls = dict.fromkeys(("gateway_url", "classification_url", "dataflow_url"), f"http://127.0.0.1:{unused_tcp_port}")
    headers = {"Authorization": f"Bearer {token}"}
    app = create_app(make_settings(runner_url=f"tcp://127.0.0.1:{unused_tcp_port}", **urls))
    async with serving(app) as url, http_client(url, headers=headers) as client:
        assert await _health(client) == (200, "degraded", {"failed"})
        assert await text_of_failure(client) == NO_TOKEN.format("it could not be reached (ClientConnectorError)")
        async with running(Stack(issuer), unused_tcp_port):
            await asyncio.sleep(1.1)  # longer than the answer is cached
            assert await _health(client) == (200, "ok", {"ok"})
            body = message("tools/call", {"name": "list_products"})
            assert (await (await client.post("/mcp", json=body)).json())["result"]["isError"] is False


async def _health(client: aiohttp.ClientSession) -> tuple[int, str, set[str]]:
    response = await client.get("/health")
    body = await response.json()
    names = ["classification-service", "dataflow-service", "nexus-gateway", "workflow-runner", "postgres", "redis"]
    assert list(body["checks"]) == names
    assert [body["checks"].pop(store)["status"] for store in ("postgres", "redis")] == ["ok", "ok"]
    return response.status, body["status"], {check["status"] for check in body["checks"].values()}


async def test_the_trace_goes_on_to_the_services_behind(client: aiohttp.ClientSession, stack: Stack) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    body = message("tools/call", {"name": "classify_products", "arguments": {"products": [{"text": "x"}]}})
    await client.post("/mcp", json=body, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    for path in ("/oauth/token", "/v1/classify"):
        assert stack.requests[path][0]["traceparent"].split("-")[1] == trace


@pytest.mark.parametrize("kind", [ModernHttp, ModernWebSocket])
async def test_the_trace_of_a_message_goes_on_to_the_services_behind(
    client: aiohttp.ClientSession, stack: Stack, kind: type[ModernHttp | ModernWebSocket]
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    mcp = kind(client)
    await mcp.open()
    params = {"name": "classify_products", "arguments": {"products": [{"text": "x"}]}}
    await mcp.request("tools/call", params, {"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    for path in ("/oauth/token", "/v1/classify"):
        assert stack.requests[path][0]["traceparent"].split("-")[1] == trace
