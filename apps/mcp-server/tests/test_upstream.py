import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from conftest import SCOPES, MakeSettings
from stack import SECRET, Misbehaviour, Stack, running
from talk import HandshakeHttp, message

from mcp_server.app import create_app
from mcp_server.errors import ToolError
from mcp_server.upstream import reading
from mcp_server.upstream.exchange import SPARE_SECONDS, TokenExchange
from mcp_server.upstream.service import Upstream
from nexus_chassis.http import create_http_session
from nexus_chassis.tokens import Principal
from nexus_testkit import Issuer, serving


def _answering(status: int = 200, text: str = "", kind: str = "application/json") -> Misbehaviour:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, content_type=kind)

    return answer


async def _hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def _redirect(_request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("http://169.254.169.254/latest")


async def _text(client: aiohttp.ClientSession) -> str:
    """What a caller of classify_products gets to read; it must be a failure."""
    arguments = {"name": "classify_products", "arguments": {"products": ["x"]}}
    result = (await HandshakeHttp(client).ask("tools/call", arguments))["result"]
    assert result["isError"]
    return str(result["content"][0]["text"])


PROBLEM = '{"title": "The model is loading", "detail": "Wait a little."}'
FAILURES: list[Any] = [
    pytest.param(
        _answering(503, PROBLEM),
        "classification-service failed (503): The model is loading: Wait a little. Try again later.",
        id="problem",
    ),
    pytest.param(
        _answering(500, "[]"),
        "classification-service failed (500): it gives no reason. Try again later.",
        id="no problem",
    ),
    pytest.param(
        _answering(422, PROBLEM),
        "classification-service refuses the call (422): The model is loading: Wait a little.",
        id="refusal",
    ),
    pytest.param(
        _answering(200, "<html>", "text/html"),
        "The call to classification-service failed: its answer is not JSON. Try again later.",
        id="no JSON",
    ),
    pytest.param(
        _answering(200, '{"items": [{"code": 5}]}'),
        (
            "The answer behind classify_products is not what it should be: "
            "items/0/code: 5 is not of type 'string', 'null'; items/0: 'confidence' is a required property; "
            "items/0: 'candidates' is a required property; (all): 'taxonomy' is a required property"
        ),
        id="another form",
    ),
    pytest.param(
        _hang_up,
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


@pytest.mark.parametrize(("misbehaviour", "told"), FAILURES)
async def test_a_failing_service_is_told_to_the_agent(
    client: aiohttp.ClientSession, stack: Stack, misbehaviour: Misbehaviour, told: str
) -> None:
    stack.misbehave["/v1/classify"] = misbehaviour
    assert await _text(client) == told
    del stack.misbehave["/v1/classify"]
    body = message("tools/call", {"name": "classify_products", "arguments": {"products": ["x"]}})
    assert (await (await client.post("/mcp", json=body)).json())["result"]["isError"] is False


NO_TOKEN = "The gateway gave no token for this call: {}. Try again; if it stays, log in again."
REFUSAL = '{"error": "invalid_grant", "error_description": "The session has ended."}'


@pytest.mark.parametrize(
    ("misbehaviour", "reason"),
    [
        pytest.param(
            _answering(400, REFUSAL),
            "it refuses a token for classification-service (400): invalid_grant: The session has ended",
            id="refusal",
        ),
        pytest.param(
            _answering(401, '{"error": "invalid_client"}'),
            "it refuses the credentials of mcp-server itself; whoever runs the stack must mend that",
            id="own credentials",
        ),
        pytest.param(_answering(200, "oops", "text/plain"), "its answer is not JSON", id="no JSON"),
        pytest.param(_answering(200, "{}"), "its answer has no access_token and expires_in", id="no token"),
        pytest.param(_hang_up, "it could not be reached (ServerDisconnectedError)", id="hangs up"),
    ],
)
async def test_a_failing_exchange_is_told_to_the_agent(
    client: aiohttp.ClientSession, stack: Stack, misbehaviour: Misbehaviour, reason: str
) -> None:
    stack.misbehave["/oauth/token"] = misbehaviour
    assert await _text(client) == NO_TOKEN.format(reason)
    assert "/v1/classify" not in stack.requests


@pytest.fixture
async def tokens(stack: Stack) -> AsyncIterator[TokenExchange]:
    """A token exchange of its own."""
    async with create_http_session() as session:
        yield TokenExchange(session, stack.url, "mcp-server", SECRET)


def _principal(token: str) -> Principal:
    return Principal("alice", "tests", frozenset(SCOPES), token, 2**40, "jti")


async def test_calls_at_the_same_time_share_one_exchange(tokens: TokenExchange, stack: Stack, token: str) -> None:
    stack.delay = 0.1
    asked = [tokens.token(_principal(token), "classification-service", "classify") for _ in range(20)]
    assert len(set(await asyncio.gather(*asked))) == 1
    assert len(stack.requests["/oauth/token"]) == 1


async def test_each_caller_and_audience_has_a_token_of_its_own(
    tokens: TokenExchange, stack: Stack, issuer: Issuer
) -> None:
    alice, bob = (_principal(issuer.mint("mcp-server", SCOPES, subject=name)) for name in ("alice", "bob"))
    got = [
        await tokens.token(alice, "classification-service", "classify"),
        await tokens.token(bob, "classification-service", "classify"),
        await tokens.token(alice, "dataflow-service", "data:read"),
    ]
    assert len(set(got)) == 3
    assert len(stack.requests["/oauth/token"]) == 3


async def test_a_token_near_its_end_is_exchanged_anew(tokens: TokenExchange, stack: Stack, token: str) -> None:
    stack.lifetime = SPARE_SECONDS
    for _ in range(2):
        await tokens.token(_principal(token), "classification-service", "classify")
    assert len(stack.requests["/oauth/token"]) == 2


async def test_a_caller_who_leaves_does_not_spoil_the_exchange_for_others(
    tokens: TokenExchange, stack: Stack, token: str
) -> None:
    stack.delay = 0.1
    leaves, stays = (
        asyncio.create_task(tokens.token(_principal(token), "classification-service", "classify")) for _ in range(2)
    )
    await asyncio.sleep(0.02)
    leaves.cancel()
    assert await stays


async def test_answers_have_a_time_and_a_length(
    tokens: TokenExchange, stack: Stack, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with create_http_session() as session:
        upstream = Upstream("dataflow-service", stack.url, "data:read", session, tokens, seconds=0.2)
        monkeypatch.setattr(reading, "MOST_BYTES", 10)
        with pytest.raises(
            ToolError, match=r"^The gateway gave no token for this call: its answer is longer than 10 b"
        ):
            await upstream.request("GET", "/v1/product", _principal(token))
        monkeypatch.undo()
        await upstream.request("GET", "/v1/product", _principal(token))

        async def late(_request: web.Request) -> web.StreamResponse:
            await asyncio.sleep(5)
            return web.Response()

        stack.misbehave["/v1/product"] = late
        with pytest.raises(ToolError) as caught:
            await upstream.request("GET", "/v1/product", _principal(token))
    told = "The call to dataflow-service failed: it did not answer in time. Try again later."
    assert str(caught.value) == told


async def test_health_is_degraded_while_a_service_behind_is_away_and_heals_by_itself(
    make_settings: MakeSettings, issuer: Issuer, token: str, unused_tcp_port: int
) -> None:
    urls = dict.fromkeys(("gateway_url", "classification_url", "dataflow_url"), f"http://127.0.0.1:{unused_tcp_port}")
    headers = {"Authorization": f"Bearer {token}"}
    app = create_app(make_settings(**urls))
    async with serving(app) as url, aiohttp.ClientSession(url, headers=headers) as client:
        assert await _health(client) == (200, "degraded", {"failed"})
        assert await _text(client) == NO_TOKEN.format("it could not be reached (ClientConnectorError)")
        async with running(Stack(issuer), unused_tcp_port):
            await asyncio.sleep(1.1)  # longer than the answer is cached
            assert await _health(client) == (200, "ok", {"ok"})
            body = message("tools/call", {"name": "list_products"})
            assert (await (await client.post("/mcp", json=body)).json())["result"]["isError"] is False


async def _health(client: aiohttp.ClientSession) -> tuple[int, str, set[str]]:
    response = await client.get("/health")
    body = await response.json()
    assert list(body["checks"]) == ["classification-service", "dataflow-service", "nexus-gateway"]
    return response.status, body["status"], {check["status"] for check in body["checks"].values()}


async def test_the_trace_goes_on_to_the_services_behind(client: aiohttp.ClientSession, stack: Stack) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    body = message("tools/call", {"name": "classify_products", "arguments": {"products": ["x"]}})
    await client.post("/mcp", json=body, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    for path in ("/oauth/token", "/v1/classify"):
        assert stack.requests[path][0]["traceparent"].split("-")[1] == trace
