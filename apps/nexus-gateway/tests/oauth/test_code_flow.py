import asyncio
from typing import Any

import aiohttp
import asyncpg
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authorizing import REDIRECT, VERIFIER, WEB, Browser, code_client, request_of, token_form, tokens_of
from oauth_requests import ISSUER, add_client, claims, post, refusal, verified

CODE_REFUSED = "The code is not valid: it was used, has expired, or belongs to another client. Begin anew."
REFRESH_REFUSED = "The refresh token is not valid: it was used, its session has ended, or it belongs to another client."


async def lasts(http: aiohttp.ClientSession, gateway: str, refresh_token: str) -> bool:
    """Whether a refresh token of `mcp-client` is taken."""
    form = {"grant_type": "refresh_token", "client_id": "mcp-client", "refresh_token": refresh_token}
    return (await post(http, f"{gateway}/oauth/token", data=form))[0] == 200


class TestCode:
    async def test_it_begins_a_session_of_the_user_with_the_client(
        self, browser: Browser, gateway: str, http: aiohttp.ClientSession, session: dict[str, Any]
    ) -> None:
        code = await browser.allow()
        async with http.post(f"{gateway}/oauth/token", data=token_form(code)) as response:
            body = await response.json()
            assert (response.headers["Cache-Control"], response.headers["Pragma"]) == ("no-store", "no-cache")

        assert body == {
            "access_token": body["access_token"],
            "token_type": "Bearer",
            "expires_in": body["expires_in"],
            "scope": "data:read tools:call",
            "refresh_token": body["refresh_token"],
        }
        principal = await verified(gateway, "mcp-server", body["access_token"])
        user = claims(session["access_token"])["sub"]
        assert (principal.subject, principal.client_id, principal.tenant) == (user, "mcp-client", "default")
        assert principal.scopes == {"data:read", "tools:call"}
        assert principal.session not in {None, session["session_id"]}

    async def test_without_scope_it_is_for_reading(self, browser: Browser, http: aiohttp.ClientSession) -> None:
        assert (await tokens_of(browser, http, scope=None))["scope"] == "classify data:read tools:call"

    async def test_what_client_and_user_lack_is_left_out(self, browser: Browser, http: aiohttp.ClientSession) -> None:
        scope = "openid admin data:admin data:read tools:call unknown"

        assert (await tokens_of(browser, http, scope=scope))["scope"] == "data:read tools:call"

    async def test_a_client_with_a_secret_uses_it(
        self, browser: Browser, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        added = await add_client(http, gateway, admin, id="web", **code_client())
        form = token_form(await browser.allow(client_id="web", redirect_uri=WEB), client_id=None, redirect_uri=WEB)
        status, _ = await post(http, f"{gateway}/oauth/token", headers=added.headers, data=form)
        assert status == 200

        form = token_form(await browser.allow(client_id="web", redirect_uri=WEB), client_id="web", redirect_uri=WEB)
        secret = {"client_secret": added["client_secret"]}
        assert (await post(http, f"{gateway}/oauth/token", data=form | secret))[0] == 200
        assert (await post(http, f"{gateway}/oauth/token", data=form))[0] == 401

    async def test_a_client_without_the_grant_receives_no_refresh_token(
        self, browser: Browser, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        await add_client(
            http, gateway, admin, id="web", **code_client(kind="public", grant_types=["authorization_code"])
        )
        form = token_form(await browser.allow(client_id="web", redirect_uri=WEB), client_id="web", redirect_uri=WEB)
        _, body = await post(http, f"{gateway}/oauth/token", data=form)

        assert "refresh_token" not in body

    async def test_a_disabled_user_receives_none(
        self, browser: Browser, gateway: str, http: aiohttp.ClientSession, postgres_url: str
    ) -> None:
        code = await browser.allow()
        connection = await asyncpg.connect(postgres_url)
        await connection.execute("UPDATE users SET disabled = true")
        await connection.close()

        assert await post(http, f"{gateway}/oauth/token", data=token_form(code)) == refusal(
            "invalid_grant", "The user can no longer sign in."
        )


class TestWrongCode:
    @pytest.mark.parametrize(
        ("changes", "error", "description"),
        [
            ({"code": "guess"}, "invalid_grant", CODE_REFUSED),
            ({"code": None}, "invalid_request", "Missing 'code' in request."),
            (
                {"redirect_uri": "http://127.0.0.1:51005/callback"},
                "invalid_grant",
                "Invalid 'redirect_uri' in request.",
            ),
            ({"redirect_uri": None}, "invalid_grant", "Invalid 'redirect_uri' in request."),
            ({"code_verifier": "x" * 43}, "invalid_grant", "Code challenge failed."),
            (
                {"code_verifier": None},
                "invalid_request",
                "code_verifier must be 43 to 128 characters (RFC 7636 section 4.1).",
            ),
            (
                {"code_verifier": "x"},
                "invalid_request",
                "code_verifier must be 43 to 128 characters (RFC 7636 section 4.1).",
            ),
            (
                {"resource": "http://localhost:1"},
                "invalid_target",
                "There is no resource 'http://localhost:1'. Known are http://localhost:3000, http://localhost:8000.",
            ),
            (
                {"resource": "http://localhost:8000"},
                "invalid_target",
                "mcp-client gets no token for 'nexus-gateway'. Use one of mcp-server.",
            ),
        ],
    )
    async def test_it_is_explained_and_the_code_is_spent(
        self,
        browser: Browser,
        http: aiohttp.ClientSession,
        changes: dict[str, str | None],
        error: str,
        description: str,
    ) -> None:
        url = f"{browser.url}/oauth/token"
        code = await browser.allow()

        assert await post(http, url, data=token_form(code, **changes)) == refusal(error, description)

        if "code" not in changes:
            assert await post(http, url, data=token_form(code)) == refusal("invalid_grant", CODE_REFUSED)

    async def test_the_challenge_itself_is_no_verifier(self, browser: Browser, http: aiohttp.ClientSession) -> None:
        """As it would be with the method `plain`."""
        code = await browser.allow()
        form = token_form(code, code_verifier=request_of()["code_challenge"])

        answer = await post(http, f"{browser.url}/oauth/token", data=form)
        assert answer == refusal("invalid_grant", "Code challenge failed.")

    async def test_it_belongs_to_one_client(
        self, browser: Browser, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        await add_client(http, gateway, admin, id="thief", **code_client(kind="public", redirect_uris=[REDIRECT]))
        form = token_form(await browser.allow(), client_id="thief")

        assert await post(http, f"{gateway}/oauth/token", data=form) == refusal("invalid_grant", CODE_REFUSED)


class TestReplayedCode:
    async def test_it_ends_the_session_that_it_began(self, browser: Browser, http: aiohttp.ClientSession) -> None:
        url = f"{browser.url}/oauth/token"
        code = await browser.allow()
        _, body = await post(http, url, data=token_form(code))

        assert await post(http, url, data=token_form(code)) == refusal("invalid_grant", CODE_REFUSED)

        assert not await lasts(http, browser.url, body["refresh_token"])

    async def test_at_most_one_of_many_at_once_has_tokens_and_no_session_lasts(
        self, browser: Browser, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        url = f"{browser.url}/oauth/token"
        code = await browser.allow()

        answers = await asyncio.gather(*(post(http, url, data=token_form(code)) for _ in range(10)))

        assert sum(status == 200 for status, _ in answers) <= 1
        async with http.get(f"{browser.url}/v1/sessions", headers=admin) as response:
            clients = [session["client_id"] for session in (await response.json())["items"]]
        assert clients == ["nexus"]


class TestRefresh:
    async def test_each_token_is_replaced_and_an_old_one_ends_the_session(
        self, browser: Browser, http: aiohttp.ClientSession
    ) -> None:
        async def refresh(token: str) -> tuple[int, Any]:
            form = {"grant_type": "refresh_token", "client_id": "mcp-client", "refresh_token": token}
            return await post(http, f"{browser.url}/oauth/token", data=form)

        first = await tokens_of(browser, http)
        _, second = await refresh(first["refresh_token"])
        before, after = claims(first["access_token"]), claims(second["access_token"])
        assert after == before | {name: after[name] for name in ("iat", "exp", "jti")}
        assert (await refresh(first["refresh_token"]))[1]["refresh_token"] == second["refresh_token"]  # two tabs

        _, third = await refresh(second["refresh_token"])
        assert await refresh(first["refresh_token"]) == refusal("invalid_grant", REFRESH_REFUSED)
        assert await refresh(third["refresh_token"]) == refusal("invalid_grant", REFRESH_REFUSED)

    async def test_it_can_be_narrowed_and_never_widened(self, browser: Browser, http: aiohttp.ClientSession) -> None:
        url = f"{browser.url}/oauth/token"
        tokens = await tokens_of(browser, http)
        form = {"grant_type": "refresh_token", "client_id": "mcp-client", "refresh_token": tokens["refresh_token"]}

        status, body = await post(http, url, data=form | {"scope": "data:read data:write"})
        assert (status, body["error"]) == (400, "invalid_scope")
        _, body = await post(http, url, data=form | {"scope": "data:read"})
        assert body["scope"] == "data:read"

    async def test_another_client_cannot_use_it(
        self, browser: Browser, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        added = await add_client(http, gateway, admin, id="web", **code_client())
        tokens = await tokens_of(browser, http)
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}

        answer = await post(http, f"{gateway}/oauth/token", headers=added.headers, data=form)

        assert answer == refusal("invalid_grant", REFRESH_REFUSED)
        assert await lasts(http, gateway, tokens["refresh_token"])

    @pytest.mark.parametrize(
        ("changes", "error", "description"),
        [
            ({"refresh_token": ""}, "invalid_request", "Missing 'refresh_token' in request."),
            ({"refresh_token": "guess"}, "invalid_grant", REFRESH_REFUSED),
            (
                {"resource": "http://localhost:8000"},
                "invalid_target",
                "mcp-client gets no token for 'nexus-gateway'. Use one of mcp-server.",
            ),
        ],
    )
    async def test_what_is_wrong_is_explained(
        self, browser: Browser, http: aiohttp.ClientSession, changes: dict[str, str], error: str, description: str
    ) -> None:
        tokens = await tokens_of(browser, http)
        form = {"grant_type": "refresh_token", "client_id": "mcp-client", "refresh_token": tokens["refresh_token"]}

        answer = await post(http, f"{browser.url}/oauth/token", data=form | changes)
        assert answer == refusal(error, description)


class TestRevocation:
    @pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
    async def test_it_ends_the_session(self, browser: Browser, http: aiohttp.ClientSession, kind: str) -> None:
        tokens = await tokens_of(browser, http)
        form = {"client_id": "mcp-client", "token": tokens[kind], "token_type_hint": "unknown"}

        assert await post(http, f"{browser.url}/oauth/revoke", data=form) == (200, {})

        assert not await lasts(http, browser.url, tokens["refresh_token"])

    @pytest.mark.parametrize("token", ["guess", "a.b", "a.b.c"])
    async def test_an_unknown_token_is_no_error(
        self, browser: Browser, http: aiohttp.ClientSession, token: str
    ) -> None:
        form = {"client_id": "mcp-client", "token": token}

        assert await post(http, f"{browser.url}/oauth/revoke", data=form) == (200, {})

    @pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
    async def test_another_client_ends_nothing(
        self, browser: Browser, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], kind: str
    ) -> None:
        added = await add_client(http, gateway, admin, id="web", **code_client())
        tokens = await tokens_of(browser, http)

        answer = await post(http, f"{gateway}/oauth/revoke", headers=added.headers, data={"token": tokens[kind]})

        assert answer == refusal("invalid_grant", "The token belongs to another client.")
        assert await lasts(http, gateway, tokens["refresh_token"])

    async def test_the_token_is_named(self, browser: Browser, http: aiohttp.ClientSession) -> None:
        answer = await post(http, f"{browser.url}/oauth/revoke", data={"client_id": "mcp-client"})

        assert answer == refusal("invalid_request", "Send the token in the field token.")


async def test_a_client_library_runs_the_whole_flow(browser: Browser, http: aiohttp.ClientSession) -> None:
    """authlib's own client over HTTP, with what the metadata says."""
    async with http.get(f"{browser.url}/.well-known/oauth-authorization-server") as response:
        metadata = await response.json()

    def here(endpoint: str) -> str:
        return str(metadata[endpoint]).replace(ISSUER, browser.url)

    client = AsyncOAuth2Client(
        "mcp-client",
        scope="tools:call data:read",
        redirect_uri=REDIRECT,
        code_challenge_method=metadata["code_challenge_methods_supported"][0],
        token_endpoint_auth_method="none",
        token_endpoint=here("token_endpoint"),
        revocation_endpoint_auth_method="none",
    )
    async with client:
        resource = "http://localhost:3000/mcp"
        address, state = client.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=VERIFIER, resource=resource
        )
        page = await browser.decide(await browser.get(address.removeprefix(ISSUER)), "allow")
        assert page.answer["iss"] == metadata["issuer"]
        token = await client.fetch_token(
            authorization_response=page.location, state=state, code_verifier=VERIFIER, resource=resource
        )
        assert token["scope"] == "data:read tools:call"
        refreshed = await client.refresh_token(refresh_token=token["refresh_token"])
        assert refreshed["access_token"] != token["access_token"]
        revoked = await client.revoke_token(here("revocation_endpoint"), token=refreshed["refresh_token"])
        assert revoked.status_code == 200
    assert not await lasts(http, browser.url, refreshed["refresh_token"])
