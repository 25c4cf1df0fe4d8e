"""Streams of notifications (revision 2026-07-28) over both transports."""

import time
from typing import Any

import aiohttp
import pytest
from conftest import SCOPES
from event_streams import has_ended, next_message
from fastapi import FastAPI
from mcp_clients import (
    MODERN_META,
    HandshakeHttp,
    HandshakeWebSocket,
    ModernWebSocket,
    error_response,
    message,
    modern_headers,
)

from nexus_chassis.runtime import runtime_of
from nexus_testkit import Issuer

LISTEN = "subscriptions/listen"
WATCHED = "test://watched-resource"
KEY = "io.modelcontextprotocol/subscriptionId"
EVERYTHING: dict[str, Any] = {
    "toolsListChanged": True,
    "promptsListChanged": True,
    "resourcesListChanged": True,
    "resourceSubscriptions": [WATCHED],
}


def _listen(message_id: int | str = 1, **wanted: object) -> dict[str, Any]:
    return message(LISTEN, {"notifications": wanted, "_meta": MODERN_META}, message_id)


async def _change(client: aiohttp.ClientSession, what: str) -> None:
    body = message("tools/call", {"name": f"test_trigger_{what}_change"})
    async with client.post("/mcp", json=body) as response:
        assert (await response.json())["result"]["isError"] is False


async def test_a_stream_is_acknowledged_and_then_has_what_was_asked_for(
    fixture_client: aiohttp.ClientSession, fixture_app: FastAPI
) -> None:
    async with fixture_client.post(
        "/mcp", json=_listen("s", **EVERYTHING), headers=modern_headers(LISTEN, {})
    ) as stream:
        assert (stream.content_type, stream.headers["X-Accel-Buffering"]) == ("text/event-stream", "no")
        acknowledged = await next_message(stream)
        assert acknowledged["params"] == {"notifications": EVERYTHING, "_meta": {KEY: "s"}}
        for what, method, params in (
            ("tool", "notifications/tools/list_changed", {}),
            ("prompt", "notifications/prompts/list_changed", {}),
            ("resource", "notifications/resources/updated", {"uri": WATCHED}),
        ):
            await _change(fixture_client, what)
            assert await next_message(stream) == {
                "jsonrpc": "2.0",
                "method": method,
                "params": {**params, "_meta": {KEY: "s"}},
            }
        runtime_of(fixture_app).drain.start()
        ended = await next_message(stream)
        assert (ended["id"], ended["result"]["resultType"], ended["result"]["_meta"][KEY]) == ("s", "complete", "s")
        assert await has_ended(stream)


async def test_streams_of_one_connection_have_ids_of_their_own(fixture_client: aiohttp.ClientSession) -> None:
    socket = await fixture_client.ws_connect("/mcp", protocols=["mcp"])
    await socket.send_json(_listen("tools", toolsListChanged=True))
    await socket.send_json(_listen("prompts", promptsListChanged=True))
    acknowledged = [await socket.receive_json(timeout=10) for _ in range(2)]
    assert [ack["params"]["_meta"][KEY] for ack in acknowledged] == ["tools", "prompts"]
    await _change(fixture_client, "tool")
    assert (await socket.receive_json(timeout=10))["params"] == {"_meta": {KEY: "tools"}}
    await socket.send_json(message("notifications/cancelled", {"requestId": "tools"}, message_id=None))
    await _change(fixture_client, "tool")
    await _change(fixture_client, "prompt")
    assert (await socket.receive_json(timeout=10))["params"] == {"_meta": {KEY: "prompts"}}


async def test_a_websocket_of_the_handshake_era_has_changes_of_lists_and_of_what_it_subscribed_to(
    fixture_client: aiohttp.ClientSession,
) -> None:
    mcp = HandshakeWebSocket(fixture_client)
    await mcp.open()
    assert (await mcp.request("resources/subscribe", {"uri": WATCHED}))["result"] == {}
    for what in ("resource", "tool"):
        await _change(fixture_client, what)
    seen = [(await mcp.socket.receive_json(timeout=10))["method"] for _ in range(2)]
    assert seen == ["notifications/resources/updated", "notifications/tools/list_changed"]


async def test_a_stream_ends_with_its_token(fixture_service: str, issuer: Issuer) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('mcp-server', SCOPES, lifetime=2)}"}
    async with (
        aiohttp.ClientSession(fixture_service, headers=headers) as client,
        client.post("/mcp", json=_listen(toolsListChanged=True), headers=modern_headers(LISTEN, {})) as stream,
    ):
        await next_message(stream)
        started = time.monotonic()
        assert (await next_message(stream))["id"] == 1
        assert await has_ended(stream)
        assert time.monotonic() - started < 3


async def test_a_user_has_a_bounded_number_of_streams(
    fixture_client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_server.dispatch.streams.MAX_OF_ONE_USER", 1)
    mcp = HandshakeHttp(fixture_client)
    await mcp.open()
    listened: dict[str, Any] = {"json": _listen(toolsListChanged=True), "headers": modern_headers(LISTEN, {})}
    async with fixture_client.get("/mcp", headers=mcp.session):
        async with fixture_client.post("/mcp", **listened) as refused:
            text = "You have 1 streams of notifications open. End some first."
            assert (refused.status, await refused.json()) == (503, error_response(4503, text))
        async with fixture_client.get("/mcp", headers=mcp.session) as refused:
            assert (refused.status, (await refused.json())["type"]) == (429, "urn:nexus:problem:too-many-streams")


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ([], "params.notifications must be an object"),
        ({"toolsListChanged": 1}, "params.notifications.toolsListChanged must be true or false"),
        (
            {"resourceSubscriptions": "x"},
            "params.notifications.resourceSubscriptions must be a list of at most 1000 strings",
        ),
        ({"taskIds": ["x"] * 101}, "params.notifications.taskIds must be a list of at most 100 strings"),
    ],
)
async def test_what_is_asked_for_must_be_well_formed(
    fixture_client: aiohttp.ClientSession, wanted: object, text: str
) -> None:
    mcp = ModernWebSocket(fixture_client)
    await mcp.open()
    assert await mcp.request(LISTEN, {"notifications": wanted}) == error_response(-32602, text)


async def test_a_client_that_takes_no_events_cannot_listen(fixture_client: aiohttp.ClientSession) -> None:
    headers = {**modern_headers(LISTEN, {}), "Accept": "application/json"}
    async with fixture_client.post("/mcp", json=_listen(toolsListChanged=True), headers=headers) as response:
        text = "The answer is a stream: accept text/event-stream"
        assert (response.status, await response.json()) == (400, error_response(-32600, text))
