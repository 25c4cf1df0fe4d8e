"""What the gateway records of the requests that it serves, and how it is read."""

import asyncio
import hashlib
from typing import Any

import aiohttp
import asyncpg
import pytest
from conftest import CLIENT_SECRET, PASSWORD, AddUser, TokenWith, sign_in
from yarl import URL

from nexus_gateway.app import create_app
from nexus_testkit import serving

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
ADDRESS = "127.0.0.1"


async def page(http: aiohttp.ClientSession, gateway: str, headers: dict[str, str], **query: str) -> dict[str, Any]:
    async with http.get(f"{gateway}/v1/audit", headers=headers, params=query) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Cache-Control"] == "no-store"
        return dict(await response.json())


async def written() -> None:
    """Wait until what was recorded is in the database: eight times the interval of the writer."""
    await asyncio.sleep(2)


async def recorded(
    http: aiohttp.ClientSession, gateway: str, headers: dict[str, str], **query: str
) -> list[dict[str, Any]]:
    """The rows, once they are written, without number, time and hash."""
    await written()
    items = (await page(http, gateway, headers, **query))["items"]
    return [{name: item[name] for name in item if name not in {"seq", "at", "hash"}} for item in items]


def row(action: str, outcome: str = "success", **members: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
    nothing = dict.fromkeys(("tenant", "subject", "client_id", "session_id", "target"))
    return {"action": action, "outcome": outcome, **nothing, "actors": [], "address": ADDRESS, "detail": {}, **members}


async def subject_of(http: aiohttp.ClientSession, gateway: str, headers: dict[str, str]) -> dict[str, Any]:
    """Who sends the requests with these headers, as rows have it."""
    async with http.get(f"{gateway}/v1/me", headers=headers) as response:
        me = await response.json()
    names = ("subject", "client_id", "session_id", "tenant")
    return {name: me[name] for name in names}


async def test_signing_in_and_out_is_recorded(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], add_user: AddUser
) -> None:
    user = await add_user("data:read")
    who = await subject_of(http, gateway, user)
    await http.delete(f"{gateway}/v1/sessions/current", headers=user)

    assert await recorded(http, gateway, admin, subject=who["subject"]) == [
        row("session.begin", **who),
        row("session.end", **who, target=f"session:{who['session_id']}"),
    ]


async def test_a_replayed_refresh_token_and_the_end_of_all_sessions_are_recorded(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], session: dict[str, Any]
) -> None:
    who = await subject_of(http, gateway, admin)
    _, other = await sign_in(http, gateway, "admin", PASSWORD)
    token = other["refresh_token"]
    for _ in range(2):
        async with http.post(f"{gateway}/v1/sessions/refresh", json={"refresh_token": token}) as response:
            token = (await response.json())["refresh_token"]
    async with http.post(f"{gateway}/v1/sessions/refresh", json={"refresh_token": other["refresh_token"]}) as response:
        assert response.status == 401
    await http.delete(f"{gateway}/v1/sessions", headers=admin)
    _, again = await sign_in(http, gateway, "admin", PASSWORD)
    headers = {"Authorization": f"Bearer {again['access_token']}"}

    assert await recorded(http, gateway, headers, action="refresh.replayed") == [
        row("refresh.replayed", "refused", **{**who, "session_id": other["session_id"]})
    ]
    assert session["session_id"] == who["session_id"]
    assert await recorded(http, gateway, headers, action="sessions.end") == [
        row("sessions.end", **who, target=f"user:{who['subject']}")
    ]


async def test_failed_attempts_to_sign_in_are_recorded_once_a_minute_without_the_name_itself(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    for _ in range(3):
        assert (await sign_in(http, gateway, "alice", "wrong"))[0] == 401

    assert await recorded(http, gateway, admin, action="session.refused") == [
        row(
            "session.refused",
            "refused",
            target=f"name:{hashlib.sha256(b'alice').hexdigest()[:32]}",
            detail={"reason": "wrong-credentials"},
        )
    ]


async def test_what_a_principal_is_refused_is_recorded(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], add_user: AddUser
) -> None:
    user = await add_user("data:read")
    who = await subject_of(http, gateway, user)
    for path in ("/v1/audit?limit=1", "/v1/agents/tools"):
        async with http.get(f"{gateway}{path}", headers=user) as response:
            assert response.status == 403
    await http.delete(f"{gateway}/v1/sessions/current", headers=user)
    async with http.get(f"{gateway}/v1/me", headers=user) as response:
        assert response.status == 401
    async with http.get(f"{gateway}/v1/me", headers={"Authorization": "Bearer forged"}) as response:
        assert response.status == 401

    assert await recorded(http, gateway, admin, action="access.refused") == [
        row("access.refused", "refused", **who, target="GET /v1/audit", detail={"problem": "insufficient-scope"})
    ]


async def test_tokens_for_other_services_are_recorded(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    who = await subject_of(http, gateway, admin)
    wanted = {"audience": "mcp-server", "scopes": ["data:read", "tools:call"]}
    async with http.post(f"{gateway}/v1/tokens", headers=admin, json=wanted) as response:
        token = (await response.json())["access_token"]
    client = {"Authorization": aiohttp.encode_basic_auth("mcp-server", CLIENT_SECRET)}
    exchange = {
        "grant_type": EXCHANGE,
        "audience": "dataflow-service",
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
    }
    own = {"grant_type": "client_credentials", "audience": "dataflow-service"}
    for form, status in ((exchange, 200), (own, 200), ({"grant_type": "password"}, 400)):
        async with http.post(f"{gateway}/oauth/token", headers=client, data=form) as response:
            assert response.status == status

    assert (await recorded(http, gateway, admin))[1:] == [
        row("token.issue", **who, target="mcp-server", detail={"scope": "data:read tools:call"}),
        row(
            "token.exchange",
            **who | {"client_id": "mcp-server"},
            actors=["mcp-server"],
            target="dataflow-service",
            detail={"scope": "data:read"},
        ),
        row(
            "token.issue",
            subject="mcp-server",
            client_id="mcp-server",
            target="dataflow-service",
            detail={"scope": "data:read"},
        ),
        row("token.issue", "refused", detail={"error": "unsupported_grant_type"}),
    ]


async def test_routed_requests_that_may_change_something_are_recorded_without_their_query(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    who = await subject_of(http, gateway, admin)
    for method, path in (
        ("GET", "/v1/data/echo/1"),
        ("POST", "/v1/data/products?secret=1"),
        ("DELETE", "/v1/data/%C3%A9"),
        ("PUT", "/v1/agents/away"),
        ("POST", "/v1/data/a%2Fb"),
    ):
        async with http.request(method, URL(f"{gateway}{path}", encoded=True), headers=admin) as response:
            await response.read()

    assert await recorded(http, gateway, admin, action="request.forward") == [
        row(
            "request.forward",
            **who,
            target="POST /v1/data/products",
            detail={"service": "dataflow-service", "status": "201"},
        ),
        row(
            "request.forward",
            "failed",
            **who,
            target="DELETE /v1/data/%C3%A9",
            detail={"service": "dataflow-service", "status": "404"},
        ),
        row(
            "request.forward",
            "failed",
            **who,
            target="PUT /v1/agents/away",
            detail={"service": "mcp-server", "status": "502"},
        ),
    ]


async def test_a_request_that_a_service_refuses_is_recorded_as_refused(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    who = await subject_of(http, gateway, admin)
    async with http.post(f"{gateway}/v1/data/refused", headers=admin) as response:
        assert response.status == 403

    assert await recorded(http, gateway, admin, outcome="refused") == [
        row(
            "request.forward",
            "refused",
            **who,
            target="POST /v1/data/refused",
            detail={"service": "dataflow-service", "status": "403"},
        )
    ]


def token_of(token_with: TokenWith, tenant: str, scope: str) -> dict[str, str]:
    return token_with(sub=f"admin of {tenant}", client_id="nexus", tenant=tenant, scope=scope)


async def test_administrators_of_a_tenant_see_its_rows_only_those_of_the_default_tenant_all(
    gateway: str,
    http: aiohttp.ClientSession,
    admin: dict[str, str],
    token_with: TokenWith,
) -> None:
    for tenant in ("acme", "other"):
        for _ in range(2):
            await http.post(f"{gateway}/v1/data/products", headers=token_of(token_with, tenant, "data:write"))
    tenants = {
        tenant: [item["tenant"] for item in await recorded(http, gateway, token_of(token_with, tenant, "admin"))]
        for tenant in ("acme", "other", "empty", "default")
    }

    assert tenants == {
        "acme": ["acme", "acme"],
        "other": ["other", "other"],
        "empty": [],
        "default": ["default", "acme", "acme", "other", "other"],
    }
    assert [item["tenant"] for item in await recorded(http, gateway, admin)] == tenants["default"]
    assert await recorded(http, gateway, token_of(token_with, "acme", "admin"), subject="admin of other") == []


async def test_the_log_is_read_in_pages(gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> None:
    for _ in range(4):
        await http.post(f"{gateway}/v1/data/products", headers=admin)
    await written()
    pages = [await page(http, gateway, admin, limit="2")]
    while (following := pages[-1]["next"]) is not None:
        pages.append(await page(http, gateway, admin, limit="2", after=str(following)))

    assert [([item["seq"] for item in found["items"]], found["next"]) for found in pages] == [
        ([1, 2], 2),
        ([3, 4], 4),
        ([5], None),
    ]
    assert (await page(http, gateway, admin, limit="5"))["next"] is None


async def test_a_row_is_answered_whole(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], postgres_url: str
) -> None:
    await written()
    (found,) = (await page(http, gateway, admin))["items"]
    connection = await asyncpg.connect(postgres_url)
    at, row_hash = await connection.fetchrow("SELECT at, hash FROM audit_events")
    await connection.close()

    assert found == {
        "seq": 1,
        "at": at.isoformat().replace("+00:00", "Z"),
        **row("session.begin", **await subject_of(http, gateway, admin)),
        "hash": row_hash.hex(),
    }


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("after=-1", "/query/after"),
        ("after=9223372036854775808", "/query/after"),
        ("limit=0", "/query/limit"),
        ("limit=1001", "/query/limit"),
        ("action=%00", "/query/action"),
        ("subject=%00", "/query/subject"),
        ("outcome=other", "/query/outcome"),
    ],
)
async def test_a_wrong_query_is_refused(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], query: str, pointer: str
) -> None:
    async with http.get(URL(f"{gateway}/v1/audit?{query}", encoded=True), headers=admin) as response:
        problem = await response.json(content_type=None)

    assert (problem["status"], [error["pointer"] for error in problem["errors"]]) == (422, [pointer])


async def test_two_replicas_write_one_chain(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], postgres_url: str
) -> None:
    async with serving(create_app()) as replica:
        await asyncio.gather(
            *(
                http.post(f"{url}/v1/tokens", headers=admin, json={"audience": "mcp-server"})
                for url in (gateway, replica) * 100
            )
        )
        rows = await recorded(http, gateway, admin, action="token.issue", limit="1000")

    assert len(rows) == 200
    connection = await asyncpg.connect(postgres_url)
    assert await connection.fetchval("SELECT max(seq) FROM audit_events") == 201
    await connection.close()
