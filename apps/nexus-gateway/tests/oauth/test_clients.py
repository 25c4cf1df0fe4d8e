import asyncio
from typing import Any

import aiohttp
import asyncpg
import pytest
from authorizing import WEB, Browser, code_client, token_form, tokens_of
from conftest import AddUser
from oauth_requests import Added, add_client, claims, post
from other_service import followed, until_refused
from redis.asyncio import Redis

from nexus_gateway.sessions.service import SessionService

NEW = {
    "name": "Importer",
    "kind": "confidential",
    "grant_types": ["client_credentials"],
    "scopes": ["data:write", "data:read"],
    "audiences": ["dataflow-service"],
}

AUDIENCES = "classification-service, dataflow-service, mcp-server, nexus-gateway"
SCOPES = "admin, classify, data:admin, data:read, data:write, events:publish, tools:call, workflows:deploy"
ACCEPTABLE = (
    "Use an https address, an http address of 127.0.0.1, [::1] or localhost, or a scheme of the application's own, such as "
    "com.example.app:/callback; at most 1,000 characters, without a fragment."
)
INVALID = "invalid-client-description"
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"audiences": ["postgres"]}, INVALID, f"There is no audience postgres. Use some of {AUDIENCES}."),
    ({"scopes": ["root"]}, INVALID, f"There is no scope root. Use some of {SCOPES}."),
    ({"grant_types": ["authorization_code"]}, INVALID, "The grant authorization_code needs a redirect URI."),
    (
        {"id": "0b5e9a3c-6f0e-4a0e-9d8e-0a6f3b1c2d4e"},
        INVALID,
        "The id of a client cannot be a UUID, as those of users are. Choose another id.",
    ),
    ({"kind": "public"}, INVALID, "A public client cannot use client_credentials. Make it confidential."),
    ({"grant_types": ["refresh_token"]}, INVALID, "The grant refresh_token needs authorization_code as well."),
    (
        {"redirect_uris": ["http://app.example/"]},
        INVALID,
        f"The redirect URI 'http://app.example/' cannot be used. {ACCEPTABLE}",
    ),
]


async def own_token(http: aiohttp.ClientSession, gateway: str, client: dict[str, str], audience: str) -> str:
    """A token that the client has for itself."""
    form = {"grant_type": "client_credentials", "audience": audience}
    status, body = await post(http, f"{gateway}/oauth/token", headers=client, data=form)
    assert status == 200, body
    return str(body["access_token"])


async def web_tokens(browser: Browser, http: aiohttp.ClientSession, added: Added) -> dict[str, Any]:
    """The tokens of a user's session with the client `web`."""
    form = token_form(await browser.allow(client_id="web", redirect_uri=WEB), client_id=None, redirect_uri=WEB)
    status, body = await post(http, f"{browser.url}/oauth/token", headers=added.headers, data=form)
    assert status == 200, body
    return dict(body)


async def status_of(http: aiohttp.ClientSession, gateway: str, token: str) -> int:
    """How the gateway answers a request with the token."""
    async with http.get(f"{gateway}/v1/me", headers={"Authorization": f"Bearer {token}"}) as response:
        return response.status


async def remove(http: aiohttp.ClientSession, gateway: str, admin: dict[str, str], client_id: str) -> None:
    async with http.delete(f"{gateway}/v1/clients/{client_id}", headers=admin) as response:
        assert response.status == 204, await response.text()


def shown(body: dict[str, Any]) -> dict[str, Any]:
    return {
        **body,
        "redirect_uris": body.get("redirect_uris", []),
        "tenant": body.get("tenant"),
        "trusted": body.get("trusted", False),
        "expires_at": None,
    }


class TestAdding:
    async def test_the_secret_is_shown_once_and_stored_hashed(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], postgres_url: str
    ) -> None:
        status, body = await post(http, f"{gateway}/v1/clients", headers=admin, json={**NEW, "id": "importer"})

        secret = body.pop("client_secret")
        expected = {**shown(NEW), "id": "importer", "scopes": ["data:read", "data:write"]}
        assert (status, body) == (201, {**expected, "created_at": body["created_at"]})
        async with http.get(f"{gateway}/v1/clients/importer", headers=admin) as response:
            assert await response.json() == body
        connection = await asyncpg.connect(postgres_url)
        row = await connection.fetchrow("SELECT * FROM clients")
        await connection.close()
        assert len(secret) == 43
        assert secret not in str(row)

    async def test_without_an_id_it_has_a_random_one(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        first = await add_client(http, gateway, admin)
        second = await add_client(http, gateway, admin)

        assert first["id"] != second["id"]
        assert first["id"].startswith("c-")

    async def test_a_public_one_has_no_secret(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        added = await add_client(
            http,
            gateway,
            admin,
            kind="public",
            grant_types=["authorization_code"],
            redirect_uris=["https://app.example/callback"],
        )

        assert added["client_secret"] is None

    @pytest.mark.parametrize("case", REFUSED, ids=[detail[:40] for _, _, detail in REFUSED])
    async def test_what_cannot_work_is_refused(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], case: tuple[dict[str, Any], str, str]
    ) -> None:
        change, problem, detail = case
        status, body = await post(http, f"{gateway}/v1/clients", headers=admin, json={**NEW, **change})

        assert (status, body["type"], body["detail"]) == (422, f"urn:nexus:problem:{problem}", detail)

    async def test_its_tenant_exists(self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> None:
        status, body = await post(http, f"{gateway}/v1/clients", headers=admin, json={**NEW, "tenant": "nobody"})

        assert (status, body["detail"]) == (400, "There is no tenant nobody. Create it first.")

    @pytest.mark.parametrize("client_id", ["importer", "mcp-server", "mcp-client"])
    async def test_ids_are_unique(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], client_id: str
    ) -> None:
        await add_client(http, gateway, admin, id="importer")

        status, body = await post(http, f"{gateway}/v1/clients", headers=admin, json={**NEW, "id": client_id})

        detail = f"There is a client {client_id}. Choose another id."
        assert (status, body["type"], body["detail"]) == (409, "urn:nexus:problem:client-exists", detail)


async def test_they_are_listed_in_pages(gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> None:
    for name in ("c", "a", "b"):
        await add_client(http, gateway, admin, id=name)

    async def page(query: str) -> tuple[list[str], str | None]:
        async with http.get(f"{gateway}/v1/clients?{query}", headers=admin) as response:
            body = await response.json()
            return [client["id"] for client in body["items"]], body["next"]

    assert await page("") == (["a", "b", "c"], None)
    assert await page("limit=2") == (["a", "b"], "b")
    assert await page("limit=2&after=b") == (["c"], None)


class TestRemoving:
    async def test_it_receives_no_more_tokens(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        added = await add_client(http, gateway, admin, id="importer")
        form = {"grant_type": "client_credentials"}
        assert (await post(http, f"{gateway}/oauth/token", headers=added.headers, data=form))[0] == 200

        async with http.delete(f"{gateway}/v1/clients/importer", headers=admin) as response:
            assert response.status == 204

        assert (await post(http, f"{gateway}/oauth/token", headers=added.headers, data=form))[0] == 401

    async def test_its_own_tokens_end_everywhere_within_a_second(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        audiences = ["nexus-gateway", "dataflow-service"]
        added = await add_client(http, gateway, admin, id="importer", audiences=audiences)
        tokens = {name: await own_token(http, gateway, added.headers, name) for name in audiences}
        async with followed(gateway) as verifier:
            assert (await verifier.verify(tokens["dataflow-service"])).subject == "importer"
            assert await status_of(http, gateway, tokens["nexus-gateway"]) == 200

            await remove(http, gateway, admin, "importer")
            await until_refused(verifier, tokens["dataflow-service"])
            assert await status_of(http, gateway, tokens["nexus-gateway"]) == 401

    async def test_a_later_one_of_its_id_is_another(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        await add_client(http, gateway, admin, id="importer")
        await remove(http, gateway, admin, "importer")
        added = await add_client(http, gateway, admin, id="importer", audiences=["nexus-gateway"])
        await asyncio.sleep(0.5)

        token = await own_token(http, gateway, added.headers, "nexus-gateway")
        assert await status_of(http, gateway, token) == 200

    async def test_the_sessions_that_users_have_with_it_end_everywhere_within_a_second(
        self, browser: Browser, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], redis: Redis
    ) -> None:
        other = await tokens_of(browser, http)
        added = await add_client(http, gateway, admin, id="web", **code_client())
        tokens = await web_tokens(browser, http, added)
        async with followed(gateway, "mcp-server") as verifier:
            assert (await verifier.verify(tokens["access_token"])).client_id == "web"

            await remove(http, gateway, admin, "web")
            assert "its session was ended" in await until_refused(verifier, tokens["access_token"])
            assert (await verifier.verify(other["access_token"])).client_id == "mcp-client"
        async with http.get(f"{gateway}/v1/sessions", headers=admin) as response:
            assert {session["client_id"] for session in (await response.json())["items"]} == {"nexus", "mcp-client"}
        assert await redis.exists("gateway:client:web:sessions") == 0

    async def test_a_session_that_begins_meanwhile_ends(
        self,
        browser: Browser,
        gateway: str,
        http: aiohttp.ClientSession,
        admin: dict[str, str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        added = await add_client(http, gateway, admin, id="web", **code_client())
        begin = SessionService.begin

        async def begin_late(*arguments: Any, **options: Any) -> object:  # noqa: ANN401  those of `begin`
            await remove(http, gateway, admin, "web")
            return await begin(*arguments, **options)

        monkeypatch.setattr(SessionService, "begin", begin_late)
        form = token_form(await browser.allow(client_id="web", redirect_uri=WEB), client_id=None, redirect_uri=WEB)
        status, body = await post(http, f"{gateway}/oauth/token", headers=added.headers, data=form)

        assert (status, body["error"]) == (401, "invalid_client")
        async with http.get(f"{gateway}/v1/sessions", headers=admin) as response:
            assert {session["client_id"] for session in (await response.json())["items"]} == {"nexus"}

    async def test_sessions_that_end_leave_nothing_behind(
        self, browser: Browser, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], redis: Redis
    ) -> None:
        added = await add_client(http, gateway, admin, id="web", **code_client())
        session = claims((await web_tokens(browser, http, added))["access_token"])["sid"]
        assert await redis.zrange("gateway:client:web:sessions", 0, -1) == [session]
        async with http.delete(f"{gateway}/v1/sessions/{session}", headers=admin) as response:
            assert response.status == 204

        assert await redis.exists("gateway:client:web:sessions") == 0

    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    async def test_an_unknown_one_is_not_found(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], method: str
    ) -> None:
        async with http.request(method, f"{gateway}/v1/clients/nobody", headers=admin) as response:
            assert (response.status, await response.json(content_type=None)) == (
                404,
                {
                    "type": "urn:nexus:problem:unknown-client",
                    "title": "There is no such client",
                    "status": 404,
                    "detail": "There is no client nobody. GET /v1/clients lists them.",
                },
            )


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/clients"), ("POST", "/v1/clients"), ("GET", "/v1/clients/a"), ("DELETE", "/v1/clients/a")],
)
async def test_administrators_alone_manage_them(
    gateway: str, http: aiohttp.ClientSession, add_user: AddUser, method: str, path: str
) -> None:
    reader = await add_user("data:read")
    body = NEW if method == "POST" else None

    async with http.request(method, f"{gateway}{path}", headers=reader, json=body) as response:
        assert (response.status, (await response.json(content_type=None))["missing_scopes"]) == (403, ["admin"])


@pytest.mark.usefixtures("add_tenant")
class TestTenants:
    async def test_administrators_of_a_tenant_see_and_add_its_clients_alone(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], add_user: AddUser
    ) -> None:
        await add_client(http, gateway, admin, id="everybodys")
        acme = await add_user("admin", tenant="acme")
        added = await add_client(http, gateway, acme, id="acmes")
        assert added["tenant"] == "acme"

        async with http.get(f"{gateway}/v1/clients", headers=acme) as response:
            assert [client["id"] for client in (await response.json())["items"]] == ["acmes"]
        for method in ("GET", "DELETE"):
            async with http.request(method, f"{gateway}/v1/clients/everybodys", headers=acme) as response:
                assert response.status == 404

    async def test_they_add_none_to_another_one(
        self, gateway: str, http: aiohttp.ClientSession, add_user: AddUser
    ) -> None:
        acme = await add_user("admin", tenant="acme")

        assert (await post(http, f"{gateway}/v1/clients", headers=acme, json={**NEW, "tenant": "default"}))[0] == 403

    async def test_tokens_of_a_machine_carry_its_tenant(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        added = await add_client(http, gateway, admin, tenant="acme")
        form = {"grant_type": "client_credentials"}
        _, body = await post(http, f"{gateway}/oauth/token", headers=added.headers, data=form)

        assert claims(body["access_token"])["tenant"] == "acme"
