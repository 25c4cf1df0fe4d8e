"""Calls of hosts outside the stack: where they may go, what is sent, and what counts as an answer."""

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from conftest import MakeApp, MakeToken
from definitions import order_tool, register, schema
from fastapi import FastAPI
from mcp_clients import HandshakeHttp, call_tool, http_client
from outside import HOST, JSON, Names, Outside, raw, whole
from stack import Stack, eventually

from mcp_server.upstream import breaker
from nexus_testkit import serving

pytestmark = pytest.mark.usefixtures("names", "no_tools")
ANY = schema("id")
SECRET = "s3cret-of-acme"


@pytest.fixture
def app(make_app: MakeApp) -> FastAPI:
    return make_app()


@pytest.fixture
def token(make_token: MakeToken) -> str:
    return make_token()


async def _call(client: aiohttp.ClientSession, name: str = "get_order", **arguments: object) -> tuple[bool, str]:
    """Whether a call succeeds, and the text for the agent."""
    result = (await call_tool(HandshakeHttp(client), name, **arguments))["result"]
    return not result["isError"], result["content"][0]["text"]


def _failed(reason: str) -> str:
    return f"The call to {HOST} failed: {reason}. Try again later."


CUT = "it could not be reached (ClientPayloadError)"
MORE = "it could not be reached (ClientResponseError)"
BODY = b'{"ok": true}'
SHAPES: list[Any] = [
    pytest.param(raw(f"{JSON}Content-Length: 0\r\n"), "its answer is not JSON", id="empty"),
    pytest.param(raw(f"{JSON}Content-Length: 3\r\n", b"   "), "its answer is not JSON", id="blank"),
    pytest.param(
        raw("", status="204 No Content"), "it answered with status 204, which is no complete answer", id="204"
    ),
    pytest.param(b"", "it could not be reached (ServerDisconnectedError)", id="nothing at all"),
    pytest.param(raw(f"{JSON}Content-Length: 13\r\n", BODY), CUT, id="shorter than Content-Length"),
    pytest.param(raw(f"{JSON}Content-Length: 11\r\n", BODY), MORE, id="longer than Content-Length"),
    pytest.param(raw(JSON, BODY), "its answer does not say where it ends", id="up to the end of the connection"),
    pytest.param(
        raw(f"{JSON}Transfer-Encoding: chunked\r\n", b"c\r\n" + BODY + b"\r\n"), CUT, id="chunks without the last"
    ),
    pytest.param(raw(f"{JSON}Transfer-Encoding: chunked\r\n", b"ff\r\n" + BODY), CUT, id="a chunk that is cut"),
    pytest.param(
        raw(f"{JSON}Content-Length: 12\r\nContent-Range: bytes 0-11/50\r\n", BODY, "206 Partial Content"),
        "it answered with status 206, which is no complete answer",
        id="206",
    ),
    pytest.param(
        raw("ETag: x\r\n", status="304 Not Modified"),
        "it answered with status 304, which is no complete answer",
        id="304",
    ),
    pytest.param(whole({}, "202 Accepted"), "it answered with status 202, which is no complete answer", id="202"),
    pytest.param(
        raw("Location: http://169.254.169.254/\r\nContent-Length: 0\r\n", status="302 Found"),
        "it answered with status 302, which is no complete answer",
        id="redirect",
    ),
    pytest.param(
        raw("Content-Type: text/html\r\nContent-Length: 12\r\n", BODY),
        "its answer is of type 'text/html', not JSON",
        id="HTML",
    ),
    pytest.param(
        raw("Content-Length: 12\r\n", BODY), "its answer is of type 'application/octet-stream', not JSON", id="no type"
    ),
    pytest.param(
        raw("Content-Type: application/json; charset=utf-16\r\nContent-Length: 12\r\n", BODY),
        "its answer is not in UTF-8",
        id="UTF-16",
    ),
    pytest.param(
        whole({}, head="Content-Encoding: gzip\r\n"), "its answer is compressed, which was not asked for", id="gzip"
    ),
    pytest.param(whole({}, head="Age: 1\r\n"), "its answer is '1' s old; a cache kept it", id="from a cache"),
    pytest.param(whole({}, head="Age: x\r\n"), "its answer is 'x' s old; a cache kept it", id="of unknown age"),
    pytest.param(raw(f"{JSON}Content-Length: 7\r\n", b'{"a":1,'), "its answer is not JSON", id="half an object"),
    pytest.param(raw(f"{JSON}Content-Length: 11\r\n", b'{"a": NaN} '), "its answer is not JSON", id="NaN"),
    pytest.param(
        raw(f"{JSON}Content-Length: 6000000\r\n", b"[" + b" " * 5_999_998 + b"]"),
        "its answer is longer than 5242880 bytes; ask for less at once",
        id="too long",
    ),
    pytest.param(whole([1]), "its answer is no JSON object", id="no object"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", None, id="two lengths"),
    pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", None, id="another protocol"),
]


@pytest.mark.parametrize(("answer", "reason"), SHAPES)
async def test_an_answer_that_is_empty_cut_stale_or_of_another_form_is_never_a_success(
    client: aiohttp.ClientSession, outside: Outside, answer: bytes, reason: str | None
) -> None:
    await register(client, order_tool(outside))
    outside.answer = lambda _: answer
    succeeded, text = await _call(client, number="7")
    assert not succeeded
    if reason is not None:
        assert text == _failed(reason)
    outside.answer = lambda _: whole({"ok": 1})
    assert await _call(client, number="7") == (True, '{"ok":1}')


async def test_a_refusal_and_a_failure_are_reported_with_their_reason(
    client: aiohttp.ClientSession, outside: Outside
) -> None:
    await register(client, order_tool(outside))
    outside.answer = lambda _: whole({"title": "No such order"}, "404 Not Found")
    assert await _call(client, number="7") == (False, f"{HOST} refuses the call (404): No such order.")
    outside.answer = lambda _: raw("Content-Length: 4\r\n", b"oops", "500 Internal Server Error")
    assert await _call(client, number="7") == (False, f"{HOST} failed (500): it names no reason. Try again later.")


async def test_a_tool_may_expect_nothing_any_value_or_an_answer_from_a_cache(
    client: aiohttp.ClientSession, outside: Outside
) -> None:
    await register(client, order_tool(outside, "nothing", http={"method": "DELETE", "answer": "nothing"}))
    await register(client, order_tool(outside, "value", http={"answer": "value", "max_age_seconds": 60}))
    outside.answer = lambda _: raw("", status="204 No Content")
    assert await _call(client, "nothing", number="7") == (True, "{}")
    outside.answer = lambda _: whole({})
    assert await _call(client, "nothing", number="7") == (False, _failed("it answered with status 200 instead of 204"))
    outside.answer = lambda _: whole([1, 2], head="Age: 60\r\n")
    assert await _call(client, "value", number="7") == (True, '{"result":[1,2]}')
    outside.answer = lambda _: whole([1, 2], head="Age: 61\r\n")
    assert await _call(client, "value", number="7") == (False, _failed("its answer is '61' s old; a cache kept it"))


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("a b", "/orders/a%20b/lines"),
        ("a/b", "/orders/a%2Fb/lines"),
        ("a?b=c#d", "/orders/a%3Fb%3Dc%23d/lines"),
        ("ü;=&+%", "/orders/%C3%BC%3B%3D%26%2B%25/lines"),
        ("{number}", "/orders/%7Bnumber%7D/lines"),
        ("...", "/orders/.../lines"),
        ("@evil.example", "/orders/%40evil.example/lines"),
        ("..", None),
        (".", None),
        ("../users", None),
        ("a/../../users", None),
        ("..\\users", None),
        ("%2e%2e", None),
        ("%2e%2e%2fusers", None),
        ("%252e%252e%252fusers", None),
        (".%2e", None),
        ("", None),
        ("a\r\nX: y", None),
        ("a%0d%0aX: y", None),
        ("a\0", None),
    ],
)
async def test_an_argument_cannot_leave_its_place_in_the_path(
    client: aiohttp.ClientSession, outside: Outside, value: str, target: str | None
) -> None:
    await register(client, order_tool(outside, http={"path": "/orders/{number}/lines"}))
    succeeded, text = await _call(client, number=value)
    if target is None:
        assert (succeeded, "must be a part of the path" in text, outside.received) == (False, True, [])
    else:
        assert (succeeded, [one.target for one in outside.received]) == (True, [target])


async def test_two_arguments_together_cannot_leave_the_path(client: aiohttp.ClientSession, outside: Outside) -> None:
    two = schema("a", "b", a={"type": "string"}, b={"type": "string"})
    await register(client, order_tool(outside, inputSchema=two, http={"path": "/x/{a}{b}/y"}))
    assert await _call(client, a=".", b="x") == (
        False,
        "The call is not made: the argument a must be a part of the path, found '.'.",
    )
    assert outside.received == []


async def test_arguments_go_to_query_headers_and_body(client: aiohttp.ClientSession, outside: Outside) -> None:
    properties: dict[str, Any] = {
        "tags": {"type": "array", "items": {"type": "string"}},
        "limit": {"type": "integer"},
        "open": {"type": "boolean"},
        "lang": {"type": "string"},
        "lines": {"type": "array"},
        "note": {"type": "string"},
    }
    http = {
        "method": "POST",
        "query": {"tag": "tags", "max": "limit", "open": "open"},
        "headers": {"Accept-Language": "lang"},
        "body": {"lines": "lines", "remark": "note"},
    }
    await register(client, order_tool(outside, inputSchema=schema("number", **properties), http=http))
    given = {"number": 7, "tags": ["a&b", "ü"], "limit": 5, "open": True, "lang": "de", "lines": [{"x": 1}]}
    assert (await _call(client, **(given | {"number": "7"})))[0]
    received = outside.received[0]
    assert received.target == "/orders/7?tag=a%26b&tag=%C3%BC&max=5&open=true"
    assert (received.headers["accept-language"], received.headers["content-type"]) == ("de", "application/json")
    assert received.body == b'{"lines":[{"x":1}]}'
    succeeded, text = await _call(client, number="7", lang="de\r\nX-Evil: 1")
    assert (succeeded, text) == (
        False,
        "The call is not made: the argument lang is not a value that a header can have.",
    )


async def test_nothing_of_the_caller_is_sent_but_the_trace(client: aiohttp.ClientSession, outside: Outside) -> None:
    await register(client, order_tool(outside))
    trace = "0af7651916cd43dd8448eb211c80319c"
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "get_order", "arguments": {"number": "7"}},
    }
    headers = {"Cookie": "a=b", "X-Custom": "c", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    await client.post("/mcp", json=call, headers=headers)
    sent = outside.received[0].headers
    assert sent.pop("traceparent").split("-")[1] == trace
    assert sent == {
        "host": f"{HOST}:{outside.port}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "cache-control": "no-cache",
        "user-agent": "nexus-mcp-server",
    }


async def test_the_stack_is_called_with_an_exchanged_token(
    client: aiohttp.ClientSession, stack: Stack, token: str
) -> None:
    http = {"method": "GET", "service": "dataflow-service", "path": "/v1/product/{id}"}
    definition = {"name": "one", "description": "One.", "inputSchema": ANY, "scopes": ["data:read"], "http": http}
    assert (await register(client, definition))[0] == 201
    assert (await _call(client, "one", id="1"))[0]
    (exchange,) = stack.requests["/oauth/token"]
    assert (exchange["form"]["audience"], exchange["form"]["scope"]) == ("dataflow-service", "data:read")
    assert exchange["form"]["subject_token"] == token
    assert (await _call(client, "one", id="../models"))[0] is False


async def test_a_secret_goes_to_its_own_host_and_tenant_and_is_never_shown(
    make_app: MakeApp, make_token: MakeToken, outside: Outside, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    folder = tmp_path / "secrets" / "acme" / HOST
    folder.mkdir(parents=True)
    (folder / "key").write_text(f"{SECRET}\n")
    app = make_app(tool_secrets=tmp_path / "secrets")
    acme, other = ({"Authorization": f"Bearer {make_token(tenant=name)}"} for name in ("acme", "other"))
    definition = order_tool(outside, http={"credentials": {"secret": "key"}})
    keyed = order_tool(outside, "keyed", http={"credentials": {"secret": "key", "header": "X-Key", "scheme": ""}})
    async with (
        serving(app) as url,
        http_client(url, headers=acme) as one,
        http_client(url, headers=other) as two,
    ):
        for client, tool in ((one, definition), (one, keyed), (two, definition)):
            assert (await register(client, tool))[0] == 201
        assert (await _call(one, number="7"))[0]
        assert (await _call(one, "keyed", number="7"))[0]
        assert [one.headers.get("authorization") for one in outside.received] == [f"Bearer {SECRET}", None]
        assert outside.received[1].headers["x-key"] == SECRET
        assert await _call(two, number="7") == (
            False,
            "The secret 'key' of this tool is not there; whoever runs the stack must provide it.",
        )
        outside.answer = lambda received: whole({"echo": [dict(received.headers)]})
        assert await _call(one, number="7") == (False, _failed("its answer repeats the secret that was sent to it"))
        outside.answer = lambda received: whole(
            {"detail": f"bad {received.headers['authorization']}"}, "401 Unauthorized"
        )
        assert await _call(one, number="7") == (False, f"{HOST} refuses the call (401): bad Bearer ***.")
        (folder / "key").unlink()
        assert not (await _call(one, number="7"))[0]
    assert SECRET not in caplog.text


async def test_a_name_that_leads_to_a_private_address_is_not_called(
    make_app: MakeApp, token: str, outside: Outside, names: Names
) -> None:
    app = make_app(tool_hosts=outside.url)  # without the network: public addresses alone
    async with serving(app) as url, http_client(url, headers={"Authorization": f"Bearer {token}"}) as client:
        await register(client, order_tool(outside))
        for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0", "100.64.0.1"):
            names.answers[HOST] = [address]
            assert await _call(client, number="7") == (
                False,
                f"The call is not made: {HOST} has an address that may not be called.",
            )
    assert outside.received == []


async def test_a_name_that_changes_its_address_is_checked_for_each_connection(
    client: aiohttp.ClientSession, outside: Outside, names: Names
) -> None:
    await register(client, order_tool(outside))
    names.answers[HOST] = ["127.0.0.1", "169.254.169.254"]
    assert (await _call(client, number="7"))[0]
    assert not (await _call(client, number="7"))[0]
    assert (len(outside.received), names.asked) == (1, [HOST, HOST])


async def test_a_tool_that_takes_too_long_ends_at_its_timeout(client: aiohttp.ClientSession, outside: Outside) -> None:
    await register(client, order_tool(outside, timeout_seconds=0.2))
    outside.delay = 5
    assert await _call(client, number="7") == (False, _failed("it did not answer in time"))


async def test_a_tool_without_answers_is_not_called_for_a_while(
    client: aiohttp.ClientSession, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "OPEN_SECONDS", 1)
    await register(client, order_tool(outside))
    await register(client, order_tool(outside, "other"))
    outside.answer = lambda _: b""
    for _ in range(breaker.MAX_FAILURES):
        await _call(client, number="7")
    sent = len(outside.received)
    text = f"{HOST} did not answer the last calls, so it is not called now. Try again in 1 s."
    assert await _call(client, number="7") == (False, text)
    assert len(outside.received) == sent
    outside.answer = lambda _: whole({})
    assert (await _call(client, "other", number="7"))[0]
    await asyncio.sleep(1.1)
    assert (await _call(client, number="7"))[0]
    assert (await _call(client, number="7"))[0]


async def test_one_user_may_call_a_tool_so_often_at_all_replicas_together(
    make_app: MakeApp, make_token: MakeToken, outside: Outside
) -> None:
    alice, bob = ({"Authorization": f"Bearer {make_token(subject=name)}"} for name in ("alice", "bob"))
    rates = {"tool_rates": "heavy=2/60"}
    async with (
        serving(make_app(**rates)) as one,
        serving(make_app(**rates)) as two,
        http_client(one, headers=alice) as first,
        http_client(two, headers=alice) as second,
        http_client(two, headers=bob) as of_bob,
    ):
        await register(first, order_tool(outside, rate_class="heavy"))
        await asyncio.sleep(0.2)
        assert [(await _call(client, number="7"))[0] for client in (first, second)] == [True, True]
        text = r"You have called get_order too often: 2 calls in 60 s are permitted\. Try again in (2\d|30) s\."
        succeeded, refusal = await _call(second, number="7")
        assert (succeeded, re.sub(text, "", refusal)) == (False, "")
        assert (await _call(of_bob, number="7"))[0]


async def test_a_call_that_is_cancelled_ends_its_request(client: aiohttp.ClientSession, stack: Stack) -> None:
    async def late(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    stack.misbehave["/v1/product/1"] = late
    http = {"method": "GET", "service": "dataflow-service", "path": "/v1/product/{id}"}
    await register(
        client, {"name": "one", "description": "1", "inputSchema": ANY, "scopes": ["data:read"], "http": http}
    )
    call = asyncio.create_task(_call(client, "one", id="1"))
    await eventually(lambda: "/oauth/token" in stack.requests)
    await asyncio.sleep(0.2)
    call.cancel()
    await eventually(lambda: stack.cancelled == ["/v1/product/1"])
