import logging
import re
from typing import Any

import aiohttp
import pytest

from nexus_testkit import Issuer

PROBLEM = "application/problem+json"


async def get(http: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, str, Any]:
    async with http.get(url, headers=headers) as response:
        return response.status, response.content_type, await response.json(content_type=None)


async def test_a_token_with_the_scope_opens(service: str, http: aiohttp.ClientSession, issuer: Issuer) -> None:
    token = issuer.mint("example", ["data:read"])

    assert await get(http, f"{service}/whoami", Authorization=f"Bearer {token}") == (200, "application/json", "alice")


async def test_no_token(service: str, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{service}/whoami") as response:
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert (response.status, response.content_type, await response.json(content_type=None)) == (
            401,
            PROBLEM,
            {
                "type": "urn:nexus:problem:unauthorized",
                "title": "An access token is needed",
                "status": 401,
                "detail": "This needs an access token. Send it as 'Authorization: Bearer TOKEN'.",
            },
        )


async def test_a_refused_token(service: str, http: aiohttp.ClientSession, issuer: Issuer) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('other')}"}
    async with http.get(f"{service}/whoami", headers=headers) as response:
        assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        assert await response.json(content_type=None) == {
            "type": "urn:nexus:problem:unauthorized",
            "title": "An access token is needed",
            "status": 401,
            "detail": "The access token is refused: its audience is 'other', not 'example'. Get a new one from the gateway.",
        }


async def test_a_missing_scope(service: str, http: aiohttp.ClientSession, issuer: Issuer) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('example', ['classify'])}"}
    async with http.get(f"{service}/whoami", headers=headers) as response:
        assert response.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="data:read"'
        assert await response.json(content_type=None) == {
            "type": "urn:nexus:problem:insufficient-scope",
            "title": "The access token does not allow this",
            "status": 403,
            "detail": "The access token lacks the scope data:read. Ask for a token that has it.",
            "missing_scopes": ["data:read"],
        }


async def test_invalid_input(service: str, http: aiohttp.ClientSession) -> None:
    assert await get(http, f"{service}/things/x") == (
        422,
        PROBLEM,
        {
            "type": "urn:nexus:problem:invalid-request",
            "title": "The request is not valid",
            "status": 422,
            "detail": "/path/number: Input should be a valid integer, unable to parse string as an integer",
            "errors": [
                {
                    "pointer": "/path/number",
                    "detail": "Input should be a valid integer, unable to parse string as an integer",
                }
            ],
        },
    )


async def test_a_problem_keeps_its_headers_and_members(service: str, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{service}/odd") as response:
        assert response.headers["Retry-After"] == "1"
        assert await response.json(content_type=None) == {
            "type": "urn:nexus:problem:odd",
            "title": "This is odd",
            "status": 409,
            "detail": "It came out odd. Try even.",
            "parity": 1,
        }


async def test_a_bug_is_logged_and_not_told(
    service: str, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    assert await get(http, f"{service}/bug") == (
        500,
        PROBLEM,
        {
            "type": "urn:nexus:problem:internal-error",
            "title": "The service failed",
            "status": 500,
            "detail": "The service failed on this request; the reason is in its log under the trace id of this request. "
            "Try again later.",
        },
    )
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == ["GET /bug failed"]


async def test_an_unknown_path(service: str, http: aiohttp.ClientSession) -> None:
    assert await get(http, f"{service}/nothing") == (
        404,
        PROBLEM,
        {
            "type": "urn:nexus:problem:not-found",
            "title": "There is nothing here",
            "status": 404,
            "detail": "Nothing is served at this path. Check it for spelling.",
        },
    )


async def test_a_wrong_method(service: str, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{service}/odd") as response:
        assert (response.status, response.headers["Allow"], await response.json(content_type=None)) == (
            405,
            "GET, HEAD",
            {
                "type": "urn:nexus:problem:method-not-allowed",
                "title": "This method is not allowed here",
                "status": 405,
                "detail": "POST is not allowed here. Use GET, HEAD.",
            },
        )


async def test_the_trace_goes_on_to_the_next_hop(service: str, http: aiohttp.ClientSession) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    async with http.get(f"{service}/relay", params={"to": f"{service}/echo"}, headers=headers) as response:
        received = str(await response.text())

    assert re.search(rf"00-{trace}-(?!b7ad6b7169203331)[0-9a-f]{{16}}-01", received)


async def test_without_a_trace_one_begins(service: str, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{service}/relay", params={"to": f"{service}/echo"}) as response:
        assert re.search(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", await response.text())
