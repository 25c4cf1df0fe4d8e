import re
from urllib.parse import quote, urlencode

import aiohttp
import pytest
from authorizing import CHALLENGE, REDIRECT, WEB, Browser, code_client, request_of
from conftest import AddUser
from oauth_requests import ISSUER, add_client
from page_client import Page
from redirect_attacks import ATTACKS
from redis.asyncio import Redis


def refused(error: str, description: str) -> dict[str, str]:
    return {"error": error, "error_description": description, "state": "xyz &=1", "iss": ISSUER}


def is_page(page: Page, status: int, text: str) -> bool:
    """Whether the page is one of the gateway, with this text and for no one else's use."""
    plain = " ".join(re.sub(r"<[^>]*>", "", page.text).replace("&#39;", "'").replace("&amp;", "&").split())
    assert text in plain, plain
    return (page.status, page.location, page.headers["Cache-Control"]) == (status, "", "no-store")


class TestConsent:
    async def test_the_user_is_asked(self, browser: Browser) -> None:
        page = await browser.open()

        assert is_page(page, 200, "use the tools for agents tools:call")
        policy = page.headers["Content-Security-Policy"]
        assert "form-action 'self' http://127.0.0.1:51004" in policy
        assert "frame-ancestors 'none'" in policy
        assert {name: value for name, value in page.form.items() if name != "form_token"} == request_of()

    async def test_allowing_answers_a_code_with_state_and_issuer(self, browser: Browser) -> None:
        page = await browser.decide(await browser.open(), "allow")

        assert page.status == 303
        assert page.location.startswith(f"{REDIRECT}?code=")
        assert page.answer == {"code": page.answer["code"], "state": "xyz &=1", "iss": ISSUER}
        assert (page.headers["Cache-Control"], page.headers["Referrer-Policy"]) == ("no-store", "no-referrer")

    @pytest.mark.parametrize("decision", ["deny", "", "ALLOW"])
    async def test_everything_else_denies(self, browser: Browser, decision: str) -> None:
        page = await browser.decide(await browser.open(), decision)

        assert (page.status, page.answer) == (303, refused("access_denied", "The user denied the request."))

    async def test_a_stranger_signs_in_first(self, browser: Browser) -> None:
        browser.cookies.clear()
        page = await browser.open(state="s")

        target = f"/oauth/authorize?{urlencode(request_of(state='s'))}"
        assert (page.status, page.location) == (303, f"/login?next={quote(target, safe='')}")

    async def test_unknown_parameters_are_ignored(self, browser: Browser) -> None:
        assert is_page(await browser.open(prompt="login"), 200, "Allow")

    @pytest.mark.parametrize("token", ["", "0" * 64])
    async def test_a_form_from_elsewhere_decides_nothing(self, browser: Browser, token: str) -> None:
        page = await browser.decide(await browser.open(), "allow", form_token=token)

        assert (page.status, page.location) == (403, "")

    async def test_a_page_of_another_origin_decides_nothing(self, browser: Browser) -> None:
        page = await browser.open()
        browser.headers["Origin"] = "https://evil.example"

        assert (await browser.decide(page, "allow")).status == 403

    async def test_what_the_form_says_is_checked_again(self, browser: Browser) -> None:
        page = await browser.decide(await browser.open(), "allow", redirect_uri="https://evil.example/")

        assert is_page(page, 400, "The client did not register the redirect URI 'https://evil.example/'.")


class TestRememberedConsent:
    async def allowed(self, browser: Browser, **changes: str) -> bool:
        """Whether the request is answered without a page."""
        return (await browser.open(**changes)).status == 303

    async def test_a_client_with_a_server_of_its_own_asks_once_for_the_same(
        self, browser: Browser, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        await add_client(http, gateway, admin, id="web", **code_client(kind="public"))
        request = {"client_id": "web", "redirect_uri": WEB, "scope": "data:read classify"}
        await browser.allow(**request)

        assert await self.allowed(browser, **request)
        assert await self.allowed(browser, **request | {"scope": "classify"})
        assert not await self.allowed(browser, **request | {"scope": "classify tools:call"})

    async def test_a_program_on_the_users_computer_asks_each_time(self, browser: Browser) -> None:
        await browser.allow()

        assert not await self.allowed(browser)

    async def test_a_trusted_client_never_asks(
        self, browser: Browser, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        await add_client(http, gateway, admin, id="own", **code_client(trusted=True))

        assert await self.allowed(browser, client_id="own", redirect_uri=WEB)

    async def test_removing_the_client_forgets_it(
        self, browser: Browser, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        for _ in range(2):
            await add_client(http, gateway, admin, id="web", **code_client(kind="public"))
            assert not await self.allowed(browser, client_id="web", redirect_uri=WEB)
            await browser.allow(client_id="web", redirect_uri=WEB)
            async with http.delete(f"{gateway}/v1/clients/web", headers=admin):
                pass


class TestRedirectUri:
    @pytest.mark.parametrize("uri", [uri for uri in ATTACKS if uri.isprintable()])
    async def test_a_request_with_one_that_is_not_registered_leads_nowhere(
        self, browser: Browser, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], uri: str
    ) -> None:
        registered = ["https://app.example/callback", "http://127.0.0.1/callback", "com.example.app:/callback"]
        await add_client(http, gateway, admin, id="web", **code_client(redirect_uris=registered))

        for changes in ({}, {"response_type": "token"}, {"code_challenge_method": "plain"}):
            page = await browser.open(client_id="web", redirect_uri=uri, **changes)
            assert is_page(page, 400, "The client did not register the redirect URI")

    @pytest.mark.parametrize("uri", ["https://app.example/callback\r\nX: y", "https://app.example/callback\x00"])
    async def test_one_that_cannot_be_printed_leads_nowhere(self, browser: Browser, uri: str) -> None:
        assert is_page(await browser.open(redirect_uri=uri), 400, "has characters that cannot be printed")

    async def test_the_query_of_a_registered_one_is_kept(
        self, browser: Browser, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        await add_client(http, gateway, admin, id="own", **code_client(trusted=True))
        page = await browser.open(client_id="own", redirect_uri=WEB)

        assert page.location.startswith(f"{WEB}&code=")

    async def test_it_may_be_left_out_where_only_one_is_registered(
        self, browser: Browser, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        await add_client(http, gateway, admin, id="own", **code_client(trusted=True))
        page = await browser.open(client_id="own", redirect_uri=None)
        assert page.location.startswith(f"{WEB}&code=")

        assert is_page(await browser.open(redirect_uri=None), 400, "several redirect URIs, and names none here")


class TestRefusedOnAPage:
    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"client_id": "nobody"}, "There is no client 'nobody'."),
            ({"client_id": None}, "There is no client ''."),
            ({"client_id": "a\u20ac"}, "There is no client 'a\u20ac'."),
            ({"client_id": "https://localhost:1/client.json"}, "cannot be used: its server cannot be reached."),
        ],
    )
    async def test_a_client_that_is_not_known(
        self, browser: Browser, changes: dict[str, str | None], text: str
    ) -> None:
        assert is_page(await browser.open(**changes), 400, text)

    @pytest.mark.parametrize(
        ("query", "text"),
        [
            (f"{urlencode(request_of())}&client_id=other", "A parameter is given twice."),
            (f"{urlencode(request_of())}&redirect_uri=https://evil.example", "A parameter is given twice."),
            ("client_id=%ff", "The form cannot be read."),
            ("&".join(f"p{n}=x" for n in range(31)), "The form cannot be read."),
        ],
    )
    async def test_a_query_that_is_ambiguous(self, browser: Browser, query: str, text: str) -> None:
        assert is_page(await browser.get(f"/oauth/authorize?{query}"), 400, text)


class TestRefusedToTheClient:
    @pytest.mark.parametrize(
        ("changes", "error", "description"),
        [
            ({"response_type": "token"}, "unsupported_response_type", "Found 'token'. Use code."),
            ({"response_type": None}, "unsupported_response_type", "Found ''. Use code."),
            ({"response_type": 'co\u20acde"'}, "unsupported_response_type", "Found 'co?de?'. Use code."),
            ({"response_mode": "fragment"}, "invalid_request", "response_mode can be query alone."),
            ({"code_challenge": None}, "invalid_request", "code_challenge must be 43 characters of base64url."),
            ({"code_challenge": "short"}, "invalid_request", "code_challenge must be 43 characters of base64url."),
            (
                {"code_challenge": CHALLENGE + "="},
                "invalid_request",
                "code_challenge must be 43 characters of base64url.",
            ),
            ({"code_challenge_method": "plain"}, "invalid_request", "code_challenge_method must be S256."),
            ({"code_challenge_method": None}, "invalid_request", "code_challenge_method must be S256."),
            (
                {"code_challenge": None, "code_challenge_method": None},
                "invalid_request",
                "code_challenge_method must be S256.",
            ),
            ({"scope": "root"}, "invalid_scope", "None of the scopes can be had by this user with this client."),
            ({"scope": "admin"}, "invalid_scope", "None of the scopes can be had by this user with this client."),
            ({"scope": 'data:read "x'}, "invalid_scope", "A scope has characters that no scope can have."),
            (
                {"resource": "https://evil.example/"},
                "invalid_target",
                (
                    "There is no resource 'https://evil.example/'. Known are http://localhost:3000, http://localhost:8000."
                ),
            ),
            (
                {"resource": "http://localhost:8000"},
                "invalid_target",
                "mcp-client gets no token for 'nexus-gateway'. Use one of mcp-server.",
            ),
        ],
    )
    async def test_it_learns_why(
        self, browser: Browser, changes: dict[str, str | None], error: str, description: str
    ) -> None:
        page = await browser.open(**changes)

        assert (page.status, page.location.partition("?")[0]) == (303, REDIRECT)
        assert page.answer == refused(error, description)

    async def test_two_resources(self, browser: Browser) -> None:
        query = f"{urlencode(request_of())}&resource=http://localhost:8000"

        assert is_page(await browser.get(f"/oauth/authorize?{query}"), 400, "Tokens are issued for one resource")

    @pytest.mark.usefixtures("add_tenant")
    async def test_a_client_of_another_tenant(
        self, browser: Browser, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        await add_client(http, gateway, admin, id="acme-app", **code_client(tenant="acme"))
        page = await browser.open(client_id="acme-app", redirect_uri=WEB)

        assert page.answer["error"] == "access_denied"
        assert page.answer["error_description"] == "The client is for users of another tenant."

    async def test_a_client_without_this_grant(
        self, browser: Browser, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        await add_client(http, gateway, admin, id="machine", redirect_uris=[WEB])
        page = await browser.open(client_id="machine", redirect_uri=WEB)

        assert page.answer == {
            "keep": "me",
            **refused("unauthorized_client", "The client is not authorized to use 'response_type=code'"),
        }


async def test_a_code_is_stored_hashed_and_for_a_minute(browser: Browser, redis_url: str) -> None:
    code = await browser.allow()

    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        (key,) = [key async for key in redis.scan_iter("gateway:code:*")]
        assert code not in f"{key} {await redis.hgetall(key)}"
        assert 55 <= await redis.ttl(key) <= 60


async def test_nobody_is_asked_about_a_client_before_signing_in(browser: Browser, add_user: AddUser) -> None:
    """Strangers cannot make the gateway fetch documents."""
    assert add_user
    browser.cookies.clear()

    assert (await browser.open(client_id="https://localhost:1/client.json")).status == 303
