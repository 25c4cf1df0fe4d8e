"""Sessions over HTTP: whose they are, where they are served, and how they end."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from conftest import SCOPES, MakeSettings
from event_streams import has_ended, next_message
from fixtures_of_suite import catalogue
from mcp_clients import INITIALIZE, HandshakeHttp, error_response, message

from mcp_server.app import create_app
from mcp_server.protocol.session import Session
from mcp_server.sessions.errors import SessionNotFoundError, TooManySessionsError
from mcp_server.sessions.repository import SessionRepository
from mcp_server.sessions.service import MAX_BYTES, SessionService
from nexus_chassis.redis import create_redis
from nexus_testkit import Issuer, serving

WATCHED = "test://watched-resource"
ELICITATION = {"elicitation": {}}


@pytest.fixture
async def mcp(fixture_client: aiohttp.ClientSession) -> HandshakeHttp:
    """A client with a session."""
    mcp = HandshakeHttp(fixture_client)
    await mcp.open(ELICITATION)
    return mcp


@pytest.fixture
async def second(make_settings: MakeSettings, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of another process of the same service."""
    app = create_app(make_settings(), lambda _upstreams, notices: catalogue(notices))
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    async with serving(app) as url, aiohttp.ClientSession(url, headers=headers) as session:
        yield session


async def _status(client: aiohttp.ClientSession, headers: dict[str, str]) -> int:
    async with client.post("/mcp", json=message("ping"), headers=headers) as response:
        return response.status


async def test_a_session_ends_by_delete(fixture_client: aiohttp.ClientSession, mcp: HandshakeHttp) -> None:
    assert await _status(fixture_client, mcp.session) == 200
    assert (await fixture_client.delete("/mcp", headers=mcp.session)).status == 204
    assert await _status(fixture_client, mcp.session) == 404
    assert (await fixture_client.delete("/mcp", headers=mcp.session)).status == 404
    assert (await fixture_client.get("/mcp", headers=mcp.session)).status == 404


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_what_is_about_a_session_must_name_it(fixture_client: aiohttp.ClientSession, method: str) -> None:
    response = await fixture_client.request(method, "/mcp")
    assert (response.status, (await response.json())["type"]) == (400, "urn:nexus:problem:session-missing")


async def test_the_session_of_another_user_is_unknown(fixture_service: str, mcp: HandshakeHttp, issuer: Issuer) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('mcp-server', SCOPES, subject='mallory')}", **mcp.session}
    async with aiohttp.ClientSession(fixture_service, headers=headers) as mallory:
        assert await _status(mallory, {}) == 404
        assert (await mallory.get("/mcp", headers={"Accept": "text/event-stream"})).status == 404
        assert (await mallory.delete("/mcp")).status == 404
        assert await (await mallory.get("/v1/sessions")).json() == {"items": []}


async def test_no_id_reaches_the_session_of_a_user_with_another_name(services: list[SessionService]) -> None:
    session = Session(revision="2025-11-25")
    await services[0].begin("a:b", session)
    for owner, session_id in (("a", f"b:{session.session_id}"), ("a:b:", session.session_id)):
        with pytest.raises(SessionNotFoundError):
            await services[1].find(owner, session_id)


async def test_a_user_can_list_own_sessions(fixture_client: aiohttp.ClientSession, mcp: HandshakeHttp) -> None:
    listed = await (await fixture_client.get("/v1/sessions")).json()
    session = {"id": mcp.session["Mcp-Session-Id"], "revision": "2025-11-25"}
    assert listed == {"items": [{**session, "client": {"name": "tests", "version": "1"}}]}


async def test_every_process_serves_a_session_and_knows_its_end(
    fixture_client: aiohttp.ClientSession, mcp: HandshakeHttp, second: aiohttp.ClientSession
) -> None:
    assert await _status(second, mcp.session) == 200
    assert (await fixture_client.delete("/mcp", headers=mcp.session)).status == 204
    async with asyncio.timeout(3):
        while await _status(second, mcp.session) != 404:  # noqa: ASYNC110  what is awaited happens at the other process
            await asyncio.sleep(0.01)


async def test_the_stream_of_a_session_has_changes_made_at_another_process(
    fixture_client: aiohttp.ClientSession, mcp: HandshakeHttp, second: aiohttp.ClientSession
) -> None:
    await mcp.request("resources/subscribe", {"uri": WATCHED})
    async with fixture_client.get("/mcp", headers=mcp.session) as stream:
        assert (stream.content_type, stream.headers["X-Accel-Buffering"]) == ("text/event-stream", "no")
        await asyncio.sleep(0.1)  # until it follows
        for tool in ("test_trigger_tool_change", "test_trigger_resource_change"):
            await second.post("/mcp", json=message("tools/call", {"name": tool}))
        assert await next_message(stream) == {
            "jsonrpc": "2.0",
            "method": "notifications/tools/list_changed",
            "params": {},
        }
        assert (await next_message(stream))["params"] == {"uri": WATCHED}
        await second.delete("/mcp", headers=mcp.session)
        assert await has_ended(stream)


async def test_a_session_without_a_subscription_has_no_notice_of_a_resource(
    fixture_client: aiohttp.ClientSession, mcp: HandshakeHttp
) -> None:
    await mcp.request("resources/subscribe", {"uri": WATCHED})
    await mcp.request("resources/unsubscribe", {"uri": WATCHED})
    async with fixture_client.get("/mcp", headers=mcp.session) as stream:
        await asyncio.sleep(0.1)
        for tool in ("test_trigger_resource_change", "test_trigger_prompt_change"):
            await fixture_client.post("/mcp", json=message("tools/call", {"name": tool}))
        assert (await next_message(stream))["method"] == "notifications/prompts/list_changed"


async def test_an_answer_that_another_process_receives_reaches_the_tool(
    fixture_client: aiohttp.ClientSession, mcp: HandshakeHttp, second: aiohttp.ClientSession
) -> None:
    body = message("tools/call", {"name": "test_elicitation", "arguments": {"message": "Who are you?"}})
    async with fixture_client.post("/mcp", json=body, headers=mcp.session) as stream:
        question = await next_message(stream)
        assert (question["method"], question["params"]["message"]) == ("elicitation/create", "Who are you?")
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}}
        assert (await second.post("/mcp", json=answer, headers=mcp.session)).status == 202
        text = 'The client answered: {"action": "decline"}'
        assert (await next_message(stream))["result"]["content"] == [{"type": "text", "text": text}]


async def test_only_the_owner_of_a_session_can_answer_its_questions(
    fixture_client: aiohttp.ClientSession, fixture_service: str, mcp: HandshakeHttp, issuer: Issuer
) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('mcp-server', SCOPES, subject='mallory')}"}
    body = message("tools/call", {"name": "test_elicitation"})
    async with (
        aiohttp.ClientSession(fixture_service, headers=headers) as client,
        fixture_client.post("/mcp", json=body, headers=mcp.session) as stream,
    ):
        question = await next_message(stream)
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}}
        mallory = HandshakeHttp(client)
        await mallory.open()
        assert (await client.post("/mcp", json=answer, headers=mcp.session)).status == 404
        assert (await client.post("/mcp", json=answer, headers=mallory.session)).status == 202
        own = {**answer, "error": {"code": 1, "message": "no"}}
        del own["result"]
        await fixture_client.post("/mcp", json=own, headers=mcp.session)
        refusal = error_response(-32600, "The client answered elicitation/create with an error")
        assert await next_message(stream) == refusal


async def test_a_response_without_a_session_is_refused(fixture_client: aiohttp.ClientSession) -> None:
    response = await fixture_client.post("/mcp", json={"jsonrpc": "2.0", "id": "x", "result": {}})
    text = "The message is a response: send it with the Mcp-Session-Id of the request that it answers"
    assert (response.status, await response.json()) == (400, error_response(-32600, text, "x"))


async def test_a_request_that_asks_needs_a_session(fixture_client: aiohttp.ClientSession) -> None:
    text = "This request asks its client for input: send it in a session, and accept SSE"
    response = await fixture_client.post("/mcp", json=message("tools/call", {"name": "test_elicitation"}))
    assert await response.json() == error_response(-32600, text)


async def test_a_client_is_asked_for_what_it_declared_alone(mcp: HandshakeHttp) -> None:
    answer = await mcp.request("tools/call", {"name": "test_sampling"})
    text = "The client must declare the capability sampling for this request"
    assert answer == error_response(-32600, text, data={"requiredCapabilities": {"sampling": {}}})


class _Publisher:
    async def publish(self, topic: str, **fields: str) -> None:
        """Nobody listens."""


@pytest.fixture
async def services(make_settings: MakeSettings) -> AsyncIterator[list[SessionService]]:
    """The service of two processes; a session that is idle for a second ends."""
    async with create_redis(make_settings()) as redis:
        yield [SessionService(SessionRepository(redis, 1), _Publisher()) for _ in range(2)]


async def test_a_session_ends_that_nobody_uses(services: list[SessionService]) -> None:
    session = Session(revision="2025-11-25")
    await services[0].begin("alice", session)
    assert (await services[1].find("alice", session.session_id)).revision == "2025-11-25"
    await asyncio.sleep(1.2)
    with pytest.raises(SessionNotFoundError):
        await SessionService(services[0]._repository, _Publisher()).find("alice", session.session_id)  # noqa: SLF001
    assert await services[0].of_user("alice") == []


async def test_a_session_that_is_used_does_not_end(services: list[SessionService]) -> None:
    session = Session(revision="2025-11-25")
    await services[0].begin("alice", session)
    for _ in range(4):
        await asyncio.sleep(0.4)
        await SessionService(services[0]._repository, _Publisher()).find("alice", session.session_id)  # noqa: SLF001


async def test_a_session_ends_at_last_however_it_is_used(
    services: list[SessionService], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_server.sessions.service.LIFETIME_SECONDS", 1)
    session = Session(revision="2025-11-25")
    await services[0].begin("alice", session)
    await services[1].find("alice", session.session_id)
    await asyncio.sleep(1.1)
    with pytest.raises(SessionNotFoundError):
        await SessionService(services[0]._repository, _Publisher()).find("alice", session.session_id)  # noqa: SLF001


async def test_a_user_has_a_bounded_number_of_sessions(
    services: list[SessionService], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_server.sessions.service.MAX_SESSIONS", 2)
    for _ in range(2):
        await services[0].begin("alice", Session(revision="2025-11-25"))
    with pytest.raises(TooManySessionsError):
        await services[0].begin("alice", Session(revision="2025-11-25"))
    await services[0].begin("bob", Session(revision="2025-11-25"))


async def test_a_session_too_many_is_refused_over_http(
    fixture_client: aiohttp.ClientSession, mcp: HandshakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_server.sessions.service.MAX_SESSIONS", 1)
    response = await fixture_client.post("/mcp", json=message("initialize", INITIALIZE))
    text = "You have 1 sessions. End those that you no longer need, by DELETE /mcp."
    assert await response.json() == error_response(4503, text)
    assert "Mcp-Session-Id" not in response.headers
    assert await _status(fixture_client, mcp.session) == 200


async def test_what_a_client_says_about_itself_is_bounded(fixture_client: aiohttp.ClientSession) -> None:
    params = {"protocolVersion": "2025-11-25", "capabilities": {"x": "x" * MAX_BYTES}, "clientInfo": {}}
    response = await fixture_client.post("/mcp", data=json.dumps(message("initialize", params)), headers=_JSON)
    assert (await response.json())["error"]["code"] == -32602
    assert "Mcp-Session-Id" not in response.headers


_JSON = {"Content-Type": "application/json"}
