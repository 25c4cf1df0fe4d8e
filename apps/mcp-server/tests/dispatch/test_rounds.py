"""Requests in rounds (revision 2026-07-28): what a client carries from one to the next is sealed."""

from typing import Any

import aiohttp
import pytest
from conftest import SCOPES
from mcp_clients import MODERN_META, error_response, message, modern_headers

from mcp_server.protocol import request_state
from mcp_server.protocol.request_state import StateSealer
from nexus_testkit import Issuer

CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
TOOL = "test_input_required_result_request_state"
CONFIRMED = {"confirm": {"action": "accept", "content": {"ok": True}}}
REFUSAL = "params.requestState is not what this server sent for this request"


async def _call(client: aiohttp.ClientSession, *, tool: str = TOOL, **params: object) -> dict[str, Any]:
    meta = {**MODERN_META, CAPABILITIES: {"elicitation": {}}}
    body = message("tools/call", {"name": tool, "_meta": meta, **params})
    async with client.post("/mcp", json=body, headers=modern_headers("tools/call", {"name": tool})) as response:
        return dict(await response.json())


async def _state(client: aiohttp.ClientSession, **params: object) -> str:
    result = (await _call(client, **params))["result"]
    assert (result["resultType"], list(result["inputRequests"])) == ("input_required", ["confirm"])
    return str(result["requestState"])


async def test_a_tool_goes_on_with_the_answers_and_its_state(fixture_client: aiohttp.ClientSession) -> None:
    state = await _state(fixture_client)
    done = await _call(fixture_client, requestState=state, inputResponses=CONFIRMED)
    assert (done["result"]["resultType"], done["result"]["content"][0]["text"]) == ("complete", "state-ok")


async def test_two_states_of_the_same_value_differ(fixture_client: aiohttp.ClientSession) -> None:
    assert await _state(fixture_client) != await _state(fixture_client)


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: state + "-TAMPERED",
        lambda state: state[:-4] + "AAAA",
        lambda state: state[:40],
        lambda state: "!" + state,
        lambda state: state + "\n",
        lambda _: "",
        lambda _: "ü",
        lambda _: "A" * 100_000,
    ],
)
async def test_a_state_that_was_changed_is_refused(fixture_client: aiohttp.ClientSession, damage: Any) -> None:  # noqa: ANN401
    state = damage(await _state(fixture_client))
    refused = await _call(fixture_client, requestState=state, inputResponses=CONFIRMED)
    assert refused == error_response(-32602, REFUSAL)


async def test_a_state_is_of_use_in_the_same_request_of_the_same_client_alone(
    fixture_client: aiohttp.ClientSession, fixture_service: str, issuer: Issuer
) -> None:
    state = await _state(fixture_client)
    again: dict[str, Any] = {"requestState": state, "inputResponses": CONFIRMED}
    other = "test_input_required_result_tampered_state"
    assert await _call(fixture_client, tool=other, **again) == error_response(-32602, REFUSAL)
    assert await _call(fixture_client, arguments={"x": 1}, **again) == error_response(-32602, REFUSAL)
    for claims in ({"subject": "mallory"}, {"client_id": "other"}):
        headers = {"Authorization": f"Bearer {issuer.mint('mcp-server', SCOPES, **claims)}"}
        async with aiohttp.ClientSession(fixture_service, headers=headers) as client:
            assert await _call(client, **again) == error_response(-32602, REFUSAL)
    assert (await _call(fixture_client, **again))["result"]["resultType"] == "complete"


async def test_a_state_expires(fixture_client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_state, "LIFETIME_SECONDS", -1)
    refused = await _call(fixture_client, requestState=await _state(fixture_client), inputResponses=CONFIRMED)
    text = "params.requestState has expired; send the request without it"
    assert refused == error_response(-32602, text)


def test_replicas_with_the_same_secret_open_each_others_states() -> None:
    sealed = StateSealer("shared").seal({"step": 1}, b"request")
    assert StateSealer("shared").open(sealed, b"request").value == {"step": 1}
    with pytest.raises(Exception, match="not what this server sent"):
        StateSealer("another").open(sealed, b"request")


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"inputResponses": []}, "params.inputResponses must be an object of objects"),
        ({"inputResponses": {"confirm": 5}}, "params.inputResponses must be an object of objects"),
        ({"requestState": 5}, "params.requestState must be a string"),
    ],
)
async def test_malformed_rounds_are_refused(
    fixture_client: aiohttp.ClientSession, params: dict[str, Any], text: str
) -> None:
    assert await _call(fixture_client, **params) == error_response(-32602, text)
