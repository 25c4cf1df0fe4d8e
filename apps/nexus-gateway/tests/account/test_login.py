"""Signing in and out at a browser."""

import re
from urllib.parse import quote

import aiohttp
import pytest
from conftest import PASSWORD
from page_client import BrowserClient, Page

from nexus_gateway.users import passwords

COOKIE = "__Host-nexus"
WRONG = "No user has this name and password. Check the spelling of both."


def cookie_header(page: Page) -> str:
    (header,) = page.headers.getall("Set-Cookie")
    return header


async def test_the_login_page_sets_a_cookie_that_ties_its_form_to_the_browser(browser: BrowserClient) -> None:
    page = await browser.get("/login")

    assert (page.status, page.title) == (200, "Sign in · Nexus")
    assert re.fullmatch(r"__Host-nexus=[\w-]{43}; HttpOnly; Path=/; SameSite=lax; Secure", cookie_header(page))


async def test_a_browser_that_has_a_cookie_keeps_it(browser: BrowserClient) -> None:
    first = await browser.get("/login")
    second = await browser.get("/login")

    assert (second.cookies, second.form_token) == ({}, first.form_token)


async def test_signing_in_sets_a_new_cookie_that_lasts_as_long_as_the_session(browser: BrowserClient) -> None:
    await browser.get("/login")
    before = browser.cookies[COOKIE]
    page = await browser.sign_in("admin", PASSWORD)

    assert (page.status, page.location) == (303, "/")
    pattern = r"__Host-nexus=[\w-]{43}; HttpOnly; Max-Age=(\d+); Path=/; SameSite=lax; Secure"
    found = re.fullmatch(pattern, cookie_header(page))
    assert found
    assert 1209590 <= int(found[1]) <= 1209600
    assert browser.cookies[COOKIE] != before


@pytest.fixture
def http_issuer(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NEXUS_ISSUER", "http://nexus.example")


@pytest.mark.usefixtures("http_issuer")
async def test_an_http_issuer_elsewhere_sets_a_cookie_without_the_prefix_that_needs_https(
    browser: BrowserClient,
) -> None:
    browser.headers["Host"] = "nexus.example"
    page = await browser.sign_in("admin", PASSWORD)

    assert re.fullmatch(r"nexus=[\w-]{43}; HttpOnly; Max-Age=\d+; Path=/; SameSite=lax", cookie_header(page))
    assert (await browser.get("/")).status == 200


async def test_the_cookie_of_the_form_signs_nobody_in(browser: BrowserClient) -> None:
    await browser.get("/login")
    before = dict(browser.cookies)
    await browser.sign_in("admin", PASSWORD)
    browser.cookies = before

    assert (await browser.get("/account/sessions")).location == "/login?next=%2Faccount%2Fsessions"


async def test_who_signed_in_goes_on_to_the_page_that_was_asked_for(browser: BrowserClient) -> None:
    asked = await browser.get("/account/password")
    page = await browser.get(asked.location)
    form = {"form_token": page.form_token, "username": "admin", "password": PASSWORD, "next": "/account/password"}

    assert 'name="next" value="/account/password"' in page.text
    assert (await browser.request("POST", "/login", form)).location == "/account/password"
    assert (await browser.get(asked.location)).location == "/account/password"


async def test_a_request_for_authorisation_goes_on_by_a_page_and_not_under_the_policy_of_the_form(
    browser: BrowserClient,
) -> None:
    target = "/oauth/authorize?client_id=a&redirect_uri=http%3A%2F%2F127.0.0.1%3A9%2Fcb"
    page = await browser.sign_in("admin", PASSWORD, next=target)

    escaped = target.replace("&", "&amp;")
    assert page.status == 200
    assert f'<meta http-equiv="refresh" content="0; url={escaped}">' in page.text
    assert f'href="{escaped}"' in page.text


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)"]
)
async def test_nobody_is_led_away_from_the_gateway(browser: BrowserClient, target: str) -> None:
    page = await browser.get(f"/login?next={quote(target)}")
    assert 'name="next" value="/"' in page.text

    assert (await browser.sign_in("admin", PASSWORD, next=target)).location == "/"
    assert (await browser.get(f"/login?next={quote(target)}")).location == "/"


@pytest.mark.parametrize(
    ("fields", "status", "faults"),
    [
        ({"username": "admin", "password": "guess"}, 401, [("username", WRONG)]),
        ({"username": "nobody", "password": PASSWORD}, 401, [("username", WRONG)]),
        ({"username": "", "password": PASSWORD}, 422, [("username", "Enter your user name")]),
        ({}, 422, [("username", "Enter your user name"), ("password", "Enter your password")]),
        ({"username": "a" * 64, "password": "b"}, 422, [("username", "A user name has at most 63 characters")]),
        ({"username": "a\0b", "password": "b"}, 422, [("username", "A user name has at most 63 characters")]),
        ({"username": "a", "password": "b" * 1025}, 422, [("password", "A password has at most 1024 characters")]),
    ],
)
async def test_a_refused_form_says_what_is_wrong_with_which_field(
    browser: BrowserClient, fields: dict[str, str], status: int, faults: list[tuple[str, str]]
) -> None:
    page = await browser.submit("/login", "/login", **fields)

    assert (page.status, page.faults, page.cookies) == (status, faults, {})
    assert page.title == "Error: Sign in · Nexus"
    for name, text in faults:
        assert f'aria-invalid="true" aria-describedby="{name}-error"' in page.text
        assert text in page.text.split(f'id="{name}-error"')[1]


async def test_the_user_name_is_shown_again_escaped_and_the_password_never(browser: BrowserClient) -> None:
    name = '"><script>alert(1)</script>'
    page = await browser.submit("/login", "/login", username=name, password="secret<guess>")

    assert 'value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"' in page.text
    assert "<script" not in page.text
    assert "secret" not in page.text


async def test_signing_in_by_form_has_the_limits_of_the_api(browser: BrowserClient) -> None:
    pages = [await browser.submit("/login", "/login", username="admin", password="guess") for _ in range(10)]
    refused = await browser.submit("/login", "/login", username="admin", password=PASSWORD)

    assert [page.status for page in pages] == [401] * 10
    assert refused.status == 429
    wait = refused.headers["Retry-After"]
    assert refused.faults == [("", f"Sign-in failed too often from here. Try again in {wait} s.")]
    body = {"username": "admin", "password": PASSWORD}
    async with browser.http.post(f"{browser.url}/v1/sessions", json=body) as response:
        assert response.status == 429


async def test_signing_in_by_form_is_shed_when_too_many_passwords_wait(
    browser: BrowserClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", -2)
    page = await browser.sign_in("admin", PASSWORD)

    assert (page.status, page.headers["Retry-After"]) == (503, "1")
    assert page.faults == [("", "Too many sign-ins are checked at once. Try again in 1 s.")]


async def test_signing_in_again_ends_the_former_session_of_the_browser(browser: BrowserClient) -> None:
    page = await browser.get("/login")
    form = {"form_token": page.form_token, "username": "admin", "password": PASSWORD}
    await browser.request("POST", "/login", form)
    former = dict(browser.cookies)
    form["form_token"] = (await browser.get("/")).form_token
    again = await browser.request("POST", "/login", form)
    mine, browser.cookies = browser.cookies, former

    assert again.location == "/"
    assert (await browser.get("/")).location == "/login"
    browser.cookies = mine
    assert (await browser.get("/")).status == 200


async def test_signing_out_ends_the_session_and_removes_the_cookie(browser: BrowserClient) -> None:
    await browser.sign_in("admin", PASSWORD)
    before = dict(browser.cookies)
    page = await browser.submit("/", "/logout")

    assert (page.status, page.location) == (303, "/login?notice=signed-out")
    assert re.fullmatch(
        r'__Host-nexus=""; expires=[^;]*; HttpOnly; Max-Age=0; Path=/; SameSite=lax; Secure', cookie_header(page)
    )
    assert '<div class="notice" role="status"><p>You are signed out.</p>' in (await browser.get(page.location)).text
    browser.cookies = before
    assert (await browser.get("/")).location == "/login"


async def test_a_notice_is_never_a_text_of_the_address(browser: BrowserClient) -> None:
    page = await browser.get("/login?notice=Call+0900+1234")

    assert "0900" not in page.text
    assert "notice" not in page.text


async def test_signing_out_needs_a_form(browser: BrowserClient) -> None:
    await browser.sign_in("admin", PASSWORD)

    assert (await browser.get("/logout")).status == 405
    assert (await browser.request("POST", "/logout", {})).status == 403
    assert (await browser.get("/")).status == 200


async def test_two_browsers_have_sessions_of_their_own(
    browser: BrowserClient, gateway: str, http: aiohttp.ClientSession
) -> None:
    other = BrowserClient(http, gateway)
    await browser.sign_in("admin", PASSWORD)
    await other.sign_in("admin", PASSWORD)
    await browser.submit("/", "/logout")

    assert (await other.get("/")).status == 200
