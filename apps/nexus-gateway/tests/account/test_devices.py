"""The page of the own devices."""

import re

import aiohttp
import pytest
from conftest import PASSWORD
from page_client import BrowserClient

from nexus_gateway.account.devices import device_name

HEADINGS = re.compile(r"<h2><bdi>(.*?)</bdi>( <span class=\"badge\">This device</span>)?</h2>")


@pytest.fixture
def phone(gateway: str, http: aiohttp.ClientSession) -> BrowserClient:
    """Another device of the same user."""
    phone = BrowserClient(http, gateway)
    phone.headers["User-Agent"] = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1"
    return phone


async def test_the_page_lists_the_devices_the_own_first(browser: BrowserClient, phone: BrowserClient) -> None:
    await phone.sign_in("admin", PASSWORD)
    await browser.sign_in("admin", PASSWORD)
    page = await browser.get("/account/sessions")

    own = ' <span class="badge">This device</span>'
    assert (page.status, page.title) == (200, "Devices · Nexus")
    assert HEADINGS.findall(page.text) == [("Firefox on Linux", own), ("Safari on iPhone", "")]
    assert page.text.count("Address <bdi>127.0.0.1</bdi>") == 2


async def test_a_device_is_signed_out_from_another(browser: BrowserClient, phone: BrowserClient) -> None:
    await phone.sign_in("admin", PASSWORD)
    await browser.sign_in("admin", PASSWORD)
    found = re.search(r'action="(/account/sessions/[^"]+/end)"', (await browser.get("/account/sessions")).text)
    assert found
    page = await browser.submit("/account/sessions", found[1])

    assert (page.status, page.location) == (303, "/account/sessions")
    assert (await phone.get("/")).location == "/login"
    assert len(HEADINGS.findall((await browser.get("/account/sessions")).text)) == 1


async def test_all_devices_are_signed_out_at_once(browser: BrowserClient, phone: BrowserClient) -> None:
    await phone.sign_in("admin", PASSWORD)
    await browser.sign_in("admin", PASSWORD)
    page = await browser.submit("/account/sessions", "/account/sessions/end")

    assert (page.status, page.location) == (303, "/login?notice=signed-out-everywhere")
    assert browser.cookies == {}
    assert (await phone.get("/")).location == "/login"


@pytest.mark.parametrize("path", ["/account/sessions/end", "/account/sessions/x/end"])
async def test_ending_sessions_needs_a_form_of_the_own_page(browser: BrowserClient, path: str) -> None:
    await browser.sign_in("admin", PASSWORD)

    assert (await browser.request("POST", path, {"form_token": "0" * 64})).status == 403
    assert (await browser.get("/")).status == 200


@pytest.mark.parametrize("session", ["x", "..%2f..", "%00", "a" * 500])
async def test_a_session_that_does_not_exist_has_ended(browser: BrowserClient, session: str) -> None:
    await browser.sign_in("admin", PASSWORD)
    page = await browser.submit("/account/sessions", f"/account/sessions/{session}/end")

    assert (page.status, page.headers.get("Location")) in {(303, "/account/sessions"), (404, None)}
    assert (await browser.get("/")).status == 200


async def test_no_agent_can_put_markup_on_the_page(browser: BrowserClient, phone: BrowserClient) -> None:
    phone.headers["User-Agent"] = "<img src=x onerror=alert(1)>\"'</bdi></h2>{{ 7*7 }}"
    await phone.sign_in("admin", PASSWORD)
    await browser.sign_in("admin", PASSWORD)
    page = await browser.get("/account/sessions")

    escaped = "&lt;img src=x onerror=alert(1)&gt;&#34;&#39;&lt;/bdi&gt;&lt;/h2&gt;{{ 7*7 }}"
    assert HEADINGS.findall(page.text)[1] == (escaped, "")
    assert "<img" not in page.text


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/156.0 Safari/537.36 Edg/156.0", "Edge on Windows"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/156.0 Safari/537.36", "Chrome on Windows"),
        ("Mozilla/5.0 (Linux; Android 17; Pixel 11) Chrome/156.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 15_7) Version/19.0 Safari/605.1.15", "Safari on macOS"),
        ("curl/8.20", "curl/8.20"),
        ("python-requests/3 \t\u200b with   blanks", "python-requests/3 \u200b with blanks"),
        ("x" * 500, "x" * 60),
        ("", "Unknown device"),
        ("  ", "Unknown device"),
    ],
)
def test_a_device_has_a_name_that_people_know(agent: str, name: str) -> None:
    assert device_name(agent) == name
