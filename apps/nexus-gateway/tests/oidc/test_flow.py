"""Signing in by a provider."""

import json
import re
from urllib.parse import parse_qsl, urlsplit

import asyncpg
import pytest
from conftest import PASSWORD
from external_login import CALLBACK, begin, refusal, sign_in
from page_client import BrowserClient
from redis.asyncio import Redis
from small_provider import CLIENT_ID, Configure, SmallProvider

from nexus_gateway.pages.redirects import HOME

STARTED_ELSEWHERE = "This sign-in has expired or was used already. Start it again."


async def me(browser: BrowserClient) -> tuple[int, str, str]:
    """Status of the answer to who is signed in, and their id and name."""
    page = await browser.get("/v1/me")
    answer = json.loads(page.text)
    return page.status, answer.get("subject", ""), answer.get("username", "")


async def test_the_browser_is_led_to_the_provider(browser: BrowserClient, provider: SmallProvider) -> None:
    page = await browser.get("/login/oidc/small?next=/account/password")
    location = urlsplit(page.location)
    sent = dict(parse_qsl(location.query))

    assert f"{location.scheme}://{location.netloc}{location.path}" == f"{provider.url}/authorize"
    random = {name: sent.pop(name) for name in ("state", "nonce", "code_challenge")}
    assert all(re.fullmatch(r"[\w-]{43}", value) for value in random.values())
    assert sent == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": "http://localhost:8000/login/oidc/small/callback",
        "scope": "openid email profile",
        "code_challenge_method": "S256",
    }
    (cookie,) = page.headers.getall("Set-Cookie")  # type: ignore[attr-defined]  # a multidict
    pattern = r"__Host-nexus-login=[\w-]{43}; HttpOnly; Max-Age=600; Path=/; SameSite=lax; Secure"
    assert re.fullmatch(pattern, cookie)


async def test_who_is_new_becomes_a_user_with_the_roles_of_the_provider(
    browser: BrowserClient, provider: SmallProvider, database: asyncpg.Connection
) -> None:
    provider.claims = {"preferred_username": "Alice", "email": "alice@example.com", "email_verified": True}
    page = await sign_in(browser, provider, "/login/oidc/small?next=/account/password%3Fa=b")
    user = await database.fetchrow("SELECT * FROM users WHERE username = 'alice'")

    assert (page.status, page.location) == (303, "/account/password?a=b")
    pattern = r"__Host-nexus=[\w-]{43}; HttpOnly; Max-Age=\d+; Path=/; SameSite=lax; Secure"
    assert re.fullmatch(pattern, page.headers["Set-Cookie"])
    assert (user["tenant"], user["roles"], user["email"]) == ("default", ["viewer"], "alice@example.com")
    assert user["password_hash"] is None
    assert await me(browser) == (200, str(user["id"]), "alice")


async def test_creating_linking_and_signing_in_are_audited(
    browser: BrowserClient, provider: SmallProvider, database: asyncpg.Connection
) -> None:
    await sign_in(browser, provider)
    user = str(await database.fetchval("SELECT user_id FROM external_identities"))
    query = (
        "SELECT action, subject, client_id, tenant, target, detail FROM audit_events WHERE subject = $1 ORDER BY seq"
    )
    rows = [tuple(row) for row in await database.fetch(query, user)]

    detail = '{"roles": "viewer", "tenant": "default", "username": "small"}'
    link = f'{{"issuer": "{provider.url}", "subject": "s-1"}}'
    assert rows[:2] == [
        ("user.create", user, "oidc:small", "default", user, detail),
        ("oidc.link", user, "oidc:small", "default", user, link),
    ]


async def test_who_comes_again_is_the_same_user(
    browser: BrowserClient, provider: SmallProvider, database: asyncpg.Connection
) -> None:
    await sign_in(browser, provider)
    first = await me(browser)
    browser.cookies.clear()
    provider.claims = {"preferred_username": "another"}
    await sign_in(browser, provider)

    assert await me(browser) == first
    assert await database.fetchval("SELECT count(*) FROM users") == 2  # with the administrator


async def test_a_name_that_is_taken_is_not_taken_over(
    browser: BrowserClient, provider: SmallProvider, database: asyncpg.Connection
) -> None:
    provider.claims = {"preferred_username": "admin"}
    await sign_in(browser, provider)

    name = await database.fetchval("SELECT username FROM users WHERE username <> 'admin'")
    assert re.fullmatch(r"admin-[0-9a-f]{12}", name)


NAMES: list[tuple[dict[str, object], str]] = [
    ({"preferred_username": "Ümit Ö. <b>"}, "mit-.-b"),
    ({"preferred_username": "x" * 300}, "x" * 50),
    ({"preferred_username": ["list"]}, "small"),
    ({"email": "Bob@example.com", "email_verified": True}, "bob"),
    ({"email": "carol@example.com", "preferred_username": "...."}, "small, and something that no other has"),
]


async def test_any_name_becomes_one_that_users_may_have(
    browser: BrowserClient, provider: SmallProvider, database: asyncpg.Connection
) -> None:
    provider.claims = {}
    names = []
    for number, (claims, _) in enumerate(NAMES):
        provider.claims, provider.subject = claims, f"s-{number}"
        browser.cookies.clear()
        await sign_in(browser, provider)
        query = "SELECT username FROM users JOIN external_identities ON user_id = id WHERE subject = $1"
        names.append(await database.fetchval(query, provider.subject))

    assert names[:-1] == [name for _, name in NAMES[:-1]]
    assert re.fullmatch("small-[0-9a-f]{12}", names[-1])


async def test_an_answer_is_taken_once(browser: BrowserClient, provider: SmallProvider) -> None:
    query = provider.approve(await begin(browser))
    await browser.get(f"{CALLBACK}?{query}")
    del browser.cookies["__Host-nexus"]

    assert refusal(await browser.get(f"{CALLBACK}?{query}")) == (403, STARTED_ELSEWHERE)
    assert provider.asked.count("/token") == 1


async def test_an_answer_is_taken_from_the_browser_that_began_alone(
    browser: BrowserClient, provider: SmallProvider
) -> None:
    query = provider.approve(await begin(browser))
    browser.cookies.clear()
    await begin(browser)

    assert refusal(await browser.get(f"{CALLBACK}?{query}")) == (403, STARTED_ELSEWHERE)
    assert "/token" not in provider.asked


async def test_two_logins_of_one_browser_do_not_disturb_each_other(
    browser: BrowserClient, provider: SmallProvider
) -> None:
    first, second = await begin(browser), await begin(browser)

    assert (await browser.get(f"{CALLBACK}?{provider.approve(second)}")).status == 303
    assert (await browser.get(f"{CALLBACK}?{provider.approve(first)}")).status == 303


async def test_a_login_ends_after_ten_minutes(browser: BrowserClient, redis: Redis) -> None:
    await begin(browser)
    (key,) = [key async for key in redis.scan_iter("gateway:oidc:*")]

    assert 590 < await redis.ttl(key) <= 600


async def test_an_answer_to_no_login_is_refused(browser: BrowserClient) -> None:
    await begin(browser)
    queries = [
        "",
        "state=&code=x",
        "code=x",
        "state=x&state=x&code=y",
        "state=%ff&code=x",
        "a=b",
        "&".join(["a=b"] * 60),
    ]
    pages = [refusal(await browser.get(f"{CALLBACK}?{query}")) for query in queries]

    assert pages == [(403, STARTED_ELSEWHERE)] * len(queries)


async def test_a_repeated_parameter_is_refused(browser: BrowserClient, provider: SmallProvider) -> None:
    query = provider.approve(await begin(browser))

    assert refusal(await browser.get(f"{CALLBACK}?{query}&code=other")) == (403, STARTED_ELSEWHERE)


async def test_an_answer_to_another_provider_is_refused(browser: BrowserClient, provider: SmallProvider) -> None:
    query = provider.approve(await begin(browser))
    page = await browser.get(f"/login/oidc/other/callback?{query}")

    assert refusal(page) == (403, STARTED_ELSEWHERE)
    assert "/token" not in provider.asked


OTHER_ISSUER = "The answer is not from the provider that was asked. Start the sign-in again."


async def test_an_answer_that_names_another_issuer_is_refused(browser: BrowserClient, provider: SmallProvider) -> None:
    query = provider.approve(await begin(browser), iss="https://evil.example")

    assert refusal(await browser.get(f"{CALLBACK}?{query}")) == (403, OTHER_ISSUER)
    assert "/token" not in provider.asked


@pytest.mark.parametrize(("promised", "status"), [(True, 403), (False, 303)])
async def test_the_issuer_may_be_missing_unless_the_provider_promised_it(
    browser: BrowserClient, provider: SmallProvider, *, promised: bool, status: int
) -> None:
    provider.metadata = {"authorization_response_iss_parameter_supported": promised}
    query = provider.approve(await begin(browser), iss=None)

    assert (await browser.get(f"{CALLBACK}?{query}")).status == status


SAID: list[tuple[dict[str, str], str]] = [
    ({"error": "access_denied"}, "access_denied"),
    ({"error": "access_denied", "error_description": "<b>No.</b>\0\n"}, "<b>No.</b>"),
    ({"error": "x", "error_description": "y" * 1000}, "y" * 200),
    ({}, "it sent no code"),
]


async def test_what_the_provider_says_is_shown_as_plain_text(browser: BrowserClient, provider: SmallProvider) -> None:
    pages = []
    for said, _ in SAID:
        query = provider.approve(await begin(browser), code=None, **said)
        pages.append(await browser.get(f"{CALLBACK}?{query}"))

    assert [refusal(page) for page in pages] == [(403, f"Small did not sign you in: {shown}.") for _, shown in SAID]
    assert not any("<b>" in page.text for page in pages)


async def test_what_anybody_else_says_is_not_shown(browser: BrowserClient) -> None:
    page = await browser.get(f"{CALLBACK}?error=x&error_description=Call+0900+1234&state=x")

    assert "0900" not in page.text


async def test_who_is_signed_in_is_not_sent_to_a_provider(browser: BrowserClient, provider: SmallProvider) -> None:
    await sign_in(browser, provider)

    assert (await browser.get("/login/oidc/small?next=/account/sessions")).location == "/account/sessions"


async def test_signing_in_again_ends_the_former_session_of_the_browser(
    browser: BrowserClient, provider: SmallProvider
) -> None:
    first, second = await begin(browser), await begin(browser)
    await browser.get(f"{CALLBACK}?{provider.approve(first)}")
    former = dict(browser.cookies)
    await browser.get(f"{CALLBACK}?{provider.approve(second)}")
    assert (await me(browser))[0] == 200
    browser.cookies = former

    assert (await me(browser))[0] == 401


async def test_nobody_is_led_away_from_the_gateway(browser: BrowserClient, provider: SmallProvider) -> None:
    targets = ["https://evil.example", "//evil.example", "/%5Cevil.example", "/%09/evil.example", "/login"]
    places = []
    for target in targets:
        browser.cookies.clear()
        places.append((await sign_in(browser, provider, f"/login/oidc/small?next={target}")).location)

    assert places == [HOME] * len(targets)


async def test_an_unknown_provider_is_none(browser: BrowserClient) -> None:
    pages = [await browser.get(f"/login/oidc/{path}") for path in ("unknown", "unknown/callback?code=x&state=y")]

    assert [(page.status, page.title) for page in pages] == [(404, "There is no such provider · Nexus")] * 2


async def test_the_login_page_offers_each_provider_and_keeps_where_to_go(browser: BrowserClient) -> None:
    text = (await browser.get("/login?next=/account/password%3Fa=b")).text

    assert re.findall(r'<li><a href="(/login/oidc/[^"]*)">([^<]*)</a>', text) == [
        ("/login/oidc/small?next=/account/password%3Fa%3Db", "Sign in with Small"),
        ("/login/oidc/other?next=/account/password%3Fa%3Db", "Sign in with Other &amp; Co"),
    ]


async def test_an_external_user_has_no_password(browser: BrowserClient, provider: SmallProvider) -> None:
    await sign_in(browser, provider)
    body = {"username": "small", "password": PASSWORD}
    async with browser.http.post(f"{browser.url}/v1/sessions", json=body) as response:
        assert response.status == 401


@pytest.mark.parametrize(
    ("supported", "used"),
    [
        ({}, "basic"),
        ({"token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"]}, "basic"),
        ({"token_endpoint_auth_methods_supported": ["client_secret_post"]}, "post"),
    ],
)
async def test_the_client_secret_is_sent_as_the_provider_wants_it(
    browser: BrowserClient, provider: SmallProvider, supported: dict[str, object], used: str
) -> None:
    provider.metadata = supported
    await sign_in(browser, provider)

    assert (await me(browser))[0] == 200
    assert provider.authentication == used


@pytest.fixture
def public_client(configure: Configure) -> None:
    configure(client_secret_file=None)


@pytest.mark.usefixtures("public_client")
async def test_a_client_without_a_secret_has_pkce_alone(browser: BrowserClient, provider: SmallProvider) -> None:
    await sign_in(browser, provider)

    assert (await me(browser))[0] == 200
    assert provider.authentication == "none"
