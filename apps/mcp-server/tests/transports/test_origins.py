"""Web pages: which may connect, and what lets a browser do it."""

import aiohttp
import pytest
from conftest import MakeSettings
from mcp_clients import http_client, message, refusals_of
from pydantic import ValidationError

from mcp_server.app import create_app
from nexus_testkit import serving

PAGE = "https://agents.example"


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://[", "https://agents.example.evil.example"],
)
async def test_web_pages_of_other_origins_are_refused(service: str, token: str, origin: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Origin": origin}
    assert await refusals_of(service, headers) == [(403, None, "urn:nexus:problem:origin-not-allowed")] * 2


async def test_the_servers_own_origin_may_connect(client: aiohttp.ClientSession) -> None:
    headers = {"Origin": "http://localhost:3000"}
    assert (await client.post("/mcp", json=message("ping"), headers=headers)).status == 200
    async with client.ws_connect("/mcp", protocols=["mcp"], headers=headers) as socket:
        assert socket.protocol == "mcp"


async def test_an_origin_is_never_compared_with_the_host(service: str, token: str) -> None:
    for host in ("evil:3000", ""):
        headers = {"Authorization": f"Bearer {token}", "Origin": f"http://{host}", "Host": host}
        assert [status for status, _, _ in await refusals_of(service, headers)] == [403, 403]


async def test_web_pages_of_an_allowed_origin_may_connect(client: aiohttp.ClientSession) -> None:
    headers = {"Origin": "https://agents.example"}
    assert (await client.post("/mcp", json=message("ping"), headers=headers)).status == 200
    async with client.ws_connect("/mcp", protocols=["mcp"], headers=headers) as socket:
        assert socket.protocol == "mcp"


async def test_a_preflight_of_an_allowed_origin_is_answered(service: str) -> None:
    headers = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,mcp-protocol-version",
    }
    async with http_client(service) as client:
        response = await client.options("/mcp", headers=headers)
    assert response.status == 204
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert "POST" in response.headers["Access-Control-Allow-Methods"].split(", ")
    allowed = set(response.headers["Access-Control-Allow-Headers"].split(", "))
    assert {"authorization", "content-type", "mcp-protocol-version", "mcp-method", "mcp-name"} <= allowed


async def test_pages_of_an_allowed_origin_can_read_answers_and_refusals(
    service: str, client: aiohttp.ClientSession
) -> None:
    async with http_client(service) as stranger:
        for sender, status in ((client, 200), (stranger, 401)):
            response = await sender.post("/mcp", json=message("ping"), headers={"Origin": PAGE})
            assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (status, PAGE)
            exposed = set(response.headers["Access-Control-Expose-Headers"].lower().split(", "))
            assert {"mcp-session-id", "www-authenticate", "mcp-protocol-version"} <= exposed


async def test_a_preflight_of_another_origin_is_not_answered(service: str) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    async with http_client(service) as client:
        response = await client.options("/mcp", headers=headers)
    assert (response.status, response.headers["Allow"]) == (405, "DELETE, GET, HEAD, POST")
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("separator", [" ", ",", ", "])
async def test_origins_are_separated_by_spaces_or_commas(
    make_settings: MakeSettings, token: str, separator: str
) -> None:
    settings = make_settings(allowed_origins=separator.join(["https://a.example", "http://b.example:8080"]))
    headers = {"Authorization": f"Bearer {token}"}
    async with serving(create_app(settings)) as url, http_client(url, headers=headers) as client:
        for origin in ("https://a.example", "http://b.example:8080"):
            response = await client.post("/mcp", json=message("ping"), headers={"Origin": origin})
            assert response.headers["Access-Control-Allow-Origin"] == origin


def test_what_is_not_an_origin_is_refused_at_start_up(make_settings: MakeSettings) -> None:
    with pytest.raises(ValidationError, match=r"'https://a\.example/path' is not an origin"):
        make_settings(allowed_origins="https://a.example/path")
