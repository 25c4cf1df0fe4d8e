"""What holds for every page: hosts, headers, forms, files."""

import json

import aiohttp
import pytest
from conftest import PASSWORD
from page_client import FIREFOX, BrowserClient

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
SECURITY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Content-Type": "text/html; charset=utf-8",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
PAGES = ["/", "/login", "/account/sessions", "/account/password", "/password-reset/x"]
FORMS = [
    "/login",
    "/logout",
    "/account/sessions/end",
    "/account/sessions/x/end",
    "/account/password",
    "/password-reset/x",
]


@pytest.mark.parametrize("path", [*PAGES, "/login?unknown=1"])
async def test_every_page_has_the_security_headers(browser: BrowserClient, path: str) -> None:
    if not path.startswith("/login"):
        await browser.sign_in("admin", PASSWORD)
    page = await browser.get(path)

    assert {name: page.headers.get(name) for name in SECURITY} == SECURITY
    assert page.text.startswith('<!doctype html>\n<html lang="en">')
    assert all(part not in page.text for part in ("<script", "<style", " style=", " onclick", "http://", "https://"))


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("host", ["evil.example", "localhost:8000.evil.example", "127.0.0.1:8000", "localhost"])
async def test_pages_are_served_to_known_hosts_alone(browser: BrowserClient, path: str, host: str) -> None:
    await browser.sign_in("admin", PASSWORD)
    page = await browser.get(path, Host=host)

    assert (page.status, page.title) == (421, "This host name is not served · Nexus")
    assert "Open http://localhost:8000, or add the host to NEXUS_ALLOWED_HOSTS." in page.text


@pytest.fixture
def allowed_hosts(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NEXUS_ALLOWED_HOSTS", "nexus.intern, [::1]:8000")


@pytest.mark.usefixtures("allowed_hosts")
async def test_a_host_can_be_allowed(browser: BrowserClient) -> None:
    browser.headers["Host"] = "nexus.intern"
    page = await browser.get("/login")
    form = {"form_token": page.form_token, "username": "admin", "password": PASSWORD}

    assert (await browser.request("POST", "/login", form, Origin="http://nexus.intern")).location == "/"
    assert (await browser.get("/login", Host="[::1]:8000")).status == 303


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("token", ["", "0" * 64, "é", "x" * 10_000])
async def test_a_form_without_the_token_of_its_page_is_refused(browser: BrowserClient, path: str, token: str) -> None:
    await browser.sign_in("admin", PASSWORD)
    page = await browser.request("POST", path, {"form_token": token})

    assert (page.status, page.title) == (403, "The request did not come from a page of the gateway · Nexus")
    assert (await browser.get("/")).status == 200


async def test_a_form_without_a_cookie_is_refused(browser: BrowserClient) -> None:
    token = (await browser.get("/login")).form_token
    browser.cookies = {}
    form = {"form_token": token, "username": "admin", "password": PASSWORD}
    page = await browser.request("POST", "/login", form)

    assert page.status == 403
    assert "the browser sent no cookie with it" in page.text


async def test_the_form_of_another_browser_is_refused(
    browser: BrowserClient, gateway: str, http: aiohttp.ClientSession
) -> None:
    token = (await BrowserClient(http, gateway).get("/login")).form_token
    await browser.get("/login")
    form = {"form_token": token, "username": "admin", "password": PASSWORD}

    assert (await browser.request("POST", "/login", form)).status == 403


async def test_a_form_from_before_the_sign_in_is_refused_after_it(browser: BrowserClient) -> None:
    token = (await browser.get("/login")).form_token
    await browser.sign_in("admin", PASSWORD)

    assert (await browser.request("POST", "/logout", {"form_token": token})).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8001"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
async def test_a_form_that_a_page_of_another_origin_sent_is_refused(
    browser: BrowserClient, headers: dict[str, str]
) -> None:
    await browser.sign_in("admin", PASSWORD)
    token = (await browser.get("/")).form_token
    page = await browser.request("POST", "/logout", {"form_token": token}, **headers)

    assert page.status == 403
    assert (await browser.get("/")).status == 200


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"a=1&a=2", {"Content_Type": "application/x-www-form-urlencoded"}, 400),
        (b"a=%ff", {"Content_Type": "application/x-www-form-urlencoded"}, 400),
        ("é=1".encode("latin-1"), {"Content_Type": "application/x-www-form-urlencoded"}, 400),
        (
            b"&".join(b"a%d=" % number for number in range(51)),
            {"Content_Type": "application/x-www-form-urlencoded"},
            400,
        ),
        (b"a=" + bytes(70_000), {"Content_Type": "application/x-www-form-urlencoded"}, 413),
        (b"{}", {"Content_Type": "application/json"}, 415),
        (b"a=1", {"Content_Type": "text/plain"}, 415),
        (b"--b\r\n", {"Content_Type": "multipart/form-data; boundary=b"}, 415),
    ],
)
async def test_a_body_that_is_no_form_is_refused_with_a_page(
    browser: BrowserClient, body: bytes, headers: dict[str, str], status: int
) -> None:
    await browser.get("/login")
    page = await browser.request("POST", "/login", body, **headers)

    assert page.status == status
    assert page.headers["Content-Security-Policy"] == POLICY


async def test_pages_are_no_part_of_the_api_document(gateway: str, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{gateway}/openapi.json") as response:
        paths = set(json.loads(await response.text())["paths"])

    assert paths.isdisjoint({"/", "/login", "/logout", "/account/sessions", "/account/password"})


@pytest.mark.parametrize(
    ("name", "media_type"), [("nexus.css", "text/css; charset=utf-8"), ("icon.svg", "image/svg+xml")]
)
async def test_files_of_pages_may_be_kept_and_asked_for_again(
    gateway: str, http: aiohttp.ClientSession, name: str, media_type: str
) -> None:
    async with http.get(f"{gateway}/static/{name}") as response:
        first = response.headers
        assert (response.status, first["Content-Type"]) == (200, media_type)
        assert len(await response.read()) > 100
    async with http.get(f"{gateway}/static/{name}", headers={"If-None-Match": first["ETag"]}) as response:
        assert (response.status, await response.read(), response.headers["ETag"]) == (304, b"", first["ETag"])

    assert first["Cache-Control"] == "public, max-age=300"
    assert first["X-Content-Type-Options"] == "nosniff"
    assert first["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "name", ["", "missing.css", "..%2f__init__.py", "%2e%2e/endpoints.py", "nexus.css%00", "nexus.css/"]
)
async def test_no_other_file_is_served(gateway: str, http: aiohttp.ClientSession, name: str) -> None:
    async with http.get(f"{gateway}/static/{name}", headers={"User-Agent": FIREFOX}) as response:
        assert response.status == 404
