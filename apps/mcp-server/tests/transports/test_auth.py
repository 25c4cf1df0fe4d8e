import asyncio
import time
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from conftest import SCOPES, MakeSettings
from mcp_clients import MODERN_META, HandshakeHttp, http_client, message, modern_headers, refusals_of

from mcp_server.app import create_app
from nexus_chassis.revocation_stream import revoke_key, revoke_session, revoke_subject
from nexus_testkit import Issuer, RevocationServer, serving

METADATA = 'resource_metadata="http://localhost:3000/.well-known/oauth-protected-resource/mcp"'


async def test_without_a_token_clients_are_pointed_to_the_metadata(service: str) -> None:
    assert await refusals_of(service, {}) == [(401, f"Bearer {METADATA}", "urn:nexus:problem:unauthorized")] * 2


async def test_tokens_for_other_services_are_refused(service: str, issuer: Issuer) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('nexus-gateway', SCOPES)}"}
    challenge = f'Bearer error="invalid_token", {METADATA}'
    assert await refusals_of(service, headers) == [(401, challenge, "urn:nexus:problem:unauthorized")] * 2


async def test_a_token_needs_the_scope_for_tools(service: str, issuer: Issuer) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('mcp-server', ['classify'])}"}
    challenge = f'Bearer error="insufficient_scope", scope="tools:call", {METADATA}'
    assert await refusals_of(service, headers) == [(403, challenge, "urn:nexus:problem:insufficient-scope")] * 2


async def test_a_tool_call_over_http_without_its_scope_names_all_scopes_to_ask_for(
    service: str, issuer: Issuer
) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('mcp-server', ['tools:call'])}"}
    async with http_client(service, headers=headers) as client:
        response = await client.post("/mcp", json=message("tools/call", {"name": "list_products"}))
    challenge = f'Bearer error="insufficient_scope", scope="data:read tools:call", {METADATA}'
    assert (response.status, response.headers["WWW-Authenticate"]) == (403, challenge)


async def test_browsers_send_the_token_of_a_websocket_as_a_subprotocol(
    service: str, token: str, issuer: Issuer
) -> None:
    other = issuer.mint("nexus-gateway", SCOPES)
    async with http_client(service) as client:
        socket = await client.ws_connect(
            "/mcp", protocols=["mcp", f"bearer.{token}"], headers={"Origin": "https://agents.example"}
        )
        await socket.send_json(message("ping"))
        assert (socket.protocol, await socket.receive_json()) == ("mcp", {"jsonrpc": "2.0", "id": 1, "result": {}})
        await socket.close()
        for refused in (other, "x"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await client.ws_connect(
                    "/mcp", protocols=["mcp", f"bearer.{refused}"], headers={"Origin": "https://agents.example"}
                )
            assert caught.value.status == 401


async def test_a_token_in_the_address_is_not_accepted(service: str, token: str) -> None:
    async with http_client(service) as client:
        response = await client.post(f"/mcp?access_token={token}", json=message("ping"))
        assert (response.status, (await response.json())["type"]) == (400, "urn:nexus:problem:unknown-parameter")
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await client.ws_connect(f"/mcp?access_token={token}", protocols=["mcp"])
        assert caught.value.status == 401


async def test_without_the_issuers_keys_clients_are_asked_to_come_back(
    make_settings: MakeSettings, token: str, unused_tcp_port: int
) -> None:
    settings = make_settings(jwks_url=f"http://127.0.0.1:{unused_tcp_port}/jwks.json")
    headers = {"Authorization": f"Bearer {token}"}
    async with serving(create_app(settings)) as url, http_client(url, headers=headers) as client:
        response = await client.post("/mcp", json=message("ping"))
        assert (response.status, response.headers["Retry-After"]) == (503, "5")


ENDS: list[Callable[[RevocationServer], Awaitable[None]]] = [
    lambda server: revoke_session(server.redis, "ended"),
    lambda server: revoke_subject(server.redis, "bob", 2),
]


@pytest.mark.parametrize("end", ENDS, ids=["session", "epoch of the user"])
async def test_the_end_of_a_session_or_of_a_users_tokens_counts_within_a_second_at_every_door(
    service: str,
    issuer: Issuer,
    revoking: RevocationServer,
    end: Callable[[RevocationServer], Awaitable[None]],
) -> None:
    ended = issuer.mint("mcp-server", SCOPES, subject="bob", sid="ended", session_epoch=1)
    other = issuer.mint("mcp-server", SCOPES, sid="other", session_epoch=1)
    call = message("tools/call", {"name": "list_products"})
    async with (
        _bearing(service, ended) as client,
        _bearing(service, other) as bystander,
        aiohttp.ClientSession(service, headers={"Authorization": f"Bearer {ended}"}) as streaming,
    ):
        socket = await client.ws_connect("/mcp", protocols=["mcp"])
        open_still = await bystander.ws_connect("/mcp", protocols=["mcp"])
        streams = await _streams(streaming)
        assert (await (await client.post("/mcp", json=call)).json())["result"]["isError"] is False
        started = time.monotonic()
        await end(revoking)
        async with asyncio.timeout(10):
            assert (await socket.receive()).type == aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 4401
        for stream in streams:
            await stream.content.read()
        assert (await client.post("/mcp", json=call)).status == 401
        assert (await client.get("/v1/tools")).status == 401
        assert time.monotonic() - started < 3
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await client.ws_connect("/mcp", protocols=["mcp"])
        assert caught.value.status == 401
        await open_still.send_json(message("ping"))
        assert await open_still.receive_json() == {"jsonrpc": "2.0", "id": 1, "result": {}}
        assert (await bystander.post("/mcp", json=call)).status == 200
        await open_still.close()


async def test_a_withdrawn_key_ends_what_it_signed_within_a_second(
    service: str, issuer: Issuer, revoking: RevocationServer, token: str
) -> None:
    async with _bearing(service, token) as client:
        socket = await client.ws_connect("/mcp", protocols=["mcp"])
        started = time.monotonic()
        await revoke_key(revoking.redis, str(issuer.key.kid))
        async with asyncio.timeout(10):
            await socket.receive()
        assert (socket.close_code, (await client.get("/v1/tools")).status) == (4401, 401)
        assert time.monotonic() - started < 3


async def _streams(client: aiohttp.ClientSession) -> list[aiohttp.ClientResponse]:
    """The stream that a session has by GET, and one of subscriptions/listen."""
    mcp = HandshakeHttp(client)
    await mcp.open()
    params = {"notifications": {"toolsListChanged": True}, "_meta": MODERN_META}
    listen = "subscriptions/listen"
    return [
        await client.get("/mcp", headers=mcp.session),
        await client.post("/mcp", json=message(listen, params), headers=modern_headers(listen, {})),
    ]


def _bearing(service: str, token: str) -> aiohttp.ClientSession:
    """A client that sends a token."""
    return http_client(service, headers={"Authorization": f"Bearer {token}"})
