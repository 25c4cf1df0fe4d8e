"""Providers that are away, slow or talk nonsense."""

import pytest
from aiohttp import web
from external_login import CALLBACK, begin, refusal, sign_in
from page_client import BrowserClient
from redis.asyncio import Redis
from small_provider import NEXT_RSA, OTHER_RSA, RSA, SmallProvider

from nexus_gateway.oidc import http, refreshed

AWAY = (503, "Small cannot be reached now. Try again later.")
DISCOVERY = "/.well-known/openid-configuration"


async def test_a_provider_that_is_away_is_reported_at_once_and_nothing_is_kept(
    browser: BrowserClient, redis: Redis
) -> None:
    page = await browser.get("/login/oidc/other?next=/account/sessions")

    assert refusal(page) == (503, "Other & Co cannot be reached now. Try again later.")
    assert 'name="next" value="/account/sessions"' in page.text
    assert [key async for key in redis.scan_iter("gateway:oidc:*")] == []


REPLIES = {
    "error": web.Response(status=500, text="{}"),
    "page": web.Response(text="<html>"),
    "list": web.json_response([]),
    "repeated": web.Response(text='{"keys": [], "keys": []}'),
    "huge": web.Response(text=f'{{"a": "{"x" * 300_000}"}}'),
    "redirect": web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"}),
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a provider publishes may be fetched again at once."""
    monkeypatch.setattr(refreshed, "RETRY_SECONDS", 0)


@pytest.mark.usefixtures("impatient")
async def test_metadata_that_cannot_be_read_is_reported(browser: BrowserClient, provider: SmallProvider) -> None:
    pages = {}
    for name, provider.replies[DISCOVERY] in REPLIES.items():
        pages[name] = refusal(await browser.get("/login/oidc/small"))

    assert pages == dict.fromkeys(REPLIES, AWAY)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("path", ["/token", "/keys", "/userinfo"])
async def test_whatever_else_cannot_be_read_is_reported(
    browser: BrowserClient, provider: SmallProvider, path: str
) -> None:
    pages = {}
    for name, provider.replies[path] in REPLIES.items():
        pages[name] = refusal(await sign_in(browser, provider))

    assert pages == dict.fromkeys(REPLIES, AWAY)


async def test_an_answer_without_an_id_token_is_reported(browser: BrowserClient, provider: SmallProvider) -> None:
    provider.replies["/token"] = web.json_response({"access_token": "a", "token_type": "Bearer"})

    assert refusal(await sign_in(browser, provider)) == AWAY


async def test_a_code_that_the_provider_no_longer_takes_is_reported(
    browser: BrowserClient, provider: SmallProvider
) -> None:
    query = provider.approve(await begin(browser)).replace("code=", "code=not")

    text = "Small no longer accepts this sign-in. Start it again."
    assert refusal(await browser.get(f"{CALLBACK}?{query}")) == (403, text)


WRONG_METADATA: list[dict[str, object]] = [
    {"issuer": "https://evil.example"},
    {"issuer": None},
    {"authorization_endpoint": "javascript:alert(1)"},
    {"authorization_endpoint": "http://evil.example/authorize"},
    {"token_endpoint": "http://169.254.169.254/latest"},
    {"token_endpoint": "file:///etc/passwd"},
    {"token_endpoint": "https://user:secret@id.example/token"},
    {"jwks_uri": "http://postgres:5432/"},
    {"jwks_uri": None},
    {"userinfo_endpoint": "https:///"},
]


@pytest.mark.usefixtures("impatient")
async def test_metadata_of_others_and_addresses_without_https_are_refused(
    browser: BrowserClient, provider: SmallProvider
) -> None:
    pages = []
    for provider.metadata in WRONG_METADATA:
        pages.append(refusal(await browser.get("/login/oidc/small")))

    assert pages == [AWAY] * len(WRONG_METADATA)


async def test_a_slow_provider_is_not_waited_for(
    browser: BrowserClient, provider: SmallProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = provider.approve(await begin(browser))
    provider.delay = 30
    monkeypatch.setattr(http, "SECONDS", 1)

    assert refusal(await browser.get(f"{CALLBACK}?{query}")) == AWAY


async def test_metadata_and_keys_are_fetched_once(browser: BrowserClient, provider: SmallProvider) -> None:
    for _ in range(3):
        browser.cookies.clear()
        assert (await sign_in(browser, provider)).status == 303

    assert (provider.asked.count(DISCOVERY), provider.asked.count("/keys")) == (1, 1)


@pytest.mark.usefixtures("impatient")
async def test_a_new_key_is_fetched(browser: BrowserClient, provider: SmallProvider) -> None:
    await sign_in(browser, provider)
    browser.cookies.clear()
    provider.key, provider.published = NEXT_RSA, [RSA, NEXT_RSA]

    assert (await sign_in(browser, provider)).status == 303
    assert provider.asked.count("/keys") == 2


async def test_unknown_keys_are_not_looked_for_again_and_again(browser: BrowserClient, provider: SmallProvider) -> None:
    provider.key = NEXT_RSA
    pages = [refusal(await sign_in(browser, provider)) for _ in range(3)]

    text = "Small sent an ID token that is not accepted: no key of the provider fits its algorithm 'RS256' and key id."
    assert pages == [(403, text)] * 3
    assert provider.asked.count("/keys") == 1


async def test_another_key_of_the_same_id_is_refused(browser: BrowserClient, provider: SmallProvider) -> None:
    provider.key = OTHER_RSA

    text = "Small sent an ID token that is not accepted: its signature is not valid."
    assert refusal(await sign_in(browser, provider)) == (403, text)


@pytest.mark.usefixtures("impatient")
async def test_known_keys_serve_while_the_key_set_cannot_be_read(
    browser: BrowserClient, provider: SmallProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_in(browser, provider)
    browser.cookies.clear()
    monkeypatch.setattr(refreshed, "FRESH_SECONDS", 0)
    provider.replies = dict.fromkeys(("/keys", DISCOVERY), REPLIES["error"])

    assert (await sign_in(browser, provider)).status == 303


async def test_a_key_set_with_a_private_key_is_refused(browser: BrowserClient, provider: SmallProvider) -> None:
    provider.replies["/keys"] = web.json_response({"keys": [RSA.as_dict(private=True)]})

    assert refusal(await sign_in(browser, provider)) == AWAY
