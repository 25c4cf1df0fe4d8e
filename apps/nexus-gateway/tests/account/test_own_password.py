"""The pages that set a password."""

from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio
from conftest import PASSWORD, sign_in
from page_client import BrowserClient

NEW = "another long pass phrase"
CHANGED = "Your password was changed, and all devices are signed out. Sign in with the new password."


def fields(new: str = NEW, repeated: str = NEW, current: str = PASSWORD) -> dict[str, str]:
    return {"current-password": current, "new-password": new, "repeated-password": repeated}


@pytest_asyncio.fixture
async def link(gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> str:
    """The path of a link with which the user `somebody`, who has no password, sets one."""
    async with http.post(f"{gateway}/v1/users", json={"username": "somebody"}, headers=admin) as response:
        user = (await response.json())["id"]
    async with http.post(f"{gateway}/v1/users/{user}/password-reset", headers=admin) as response:
        return urlsplit((await response.json())["url"]).path


async def test_a_changed_password_ends_the_session_and_is_the_one_that_counts(browser: BrowserClient) -> None:
    await browser.sign_in("admin", PASSWORD)
    before = dict(browser.cookies)
    page = await browser.submit("/account/password", "/account/password", **fields())

    assert (page.status, page.location) == (303, "/login?notice=password-changed")
    assert CHANGED in (await browser.get(page.location)).text
    assert (await browser.sign_in("admin", PASSWORD)).status == 401
    assert (await browser.sign_in("admin", NEW)).location == "/"
    browser.cookies = before
    assert (await browser.get("/")).location == "/login"


@pytest.mark.parametrize(
    ("form", "status", "field"),
    [
        (fields(current="guess"), 403, "current-password"),
        (fields(new="tiny", repeated="tiny"), 400, "new-password"),
        (fields(new="x" * 1025, repeated="x" * 1025), 400, "new-password"),
        (fields(new=PASSWORD, repeated=PASSWORD), 400, "new-password"),
        (fields(repeated="other"), 422, "repeated-password"),
        (fields(current=""), 422, "current-password"),
        (fields(new=""), 422, "new-password"),
        (fields(repeated=""), 422, "repeated-password"),
    ],
)
async def test_a_refused_change_says_what_is_wrong_with_which_field(
    browser: BrowserClient, form: dict[str, str], status: int, field: str
) -> None:
    await browser.sign_in("admin", PASSWORD)
    page = await browser.submit("/account/password", "/account/password", **form)

    assert (page.status, page.title) == (status, "Error: Password · Nexus")
    assert [name for name, _ in page.faults] == [field]
    assert all(value not in page.text for value in form.values() if value)
    assert (await browser.get("/")).status == 200
    assert (await sign_in(browser.http, browser.url, "admin", PASSWORD))[0] == 201


async def test_guessing_the_current_password_has_the_limits_of_signing_in(browser: BrowserClient) -> None:
    await browser.sign_in("admin", PASSWORD)
    form = fields(current="guess")
    pages = [await browser.submit("/account/password", "/account/password", **form) for _ in range(11)]

    assert [page.status for page in pages] == [403] * 10 + [429]
    assert int(pages[-1].headers["Retry-After"]) > 0


async def test_a_stranger_changes_no_password(browser: BrowserClient) -> None:
    token = (await browser.get("/login")).form_token
    page = await browser.request("POST", "/account/password", {"form_token": token, **fields()})

    assert (page.status, page.location) == (303, "/login")
    assert (await browser.sign_in("admin", PASSWORD)).location == "/"


async def test_a_link_sets_a_password_once(browser: BrowserClient, link: str) -> None:
    new = {"new-password": NEW, "repeated-password": NEW}
    opened = await browser.get(link)
    page = await browser.submit(link, link, **new)
    again = await browser.submit(link, link, **new)

    assert (opened.status, opened.title) == (200, "New password · Nexus")
    assert (page.status, page.location) == (303, "/login?notice=password-changed")
    assert again.status == 400
    assert again.faults == [
        ("", "The link was used, has expired, or the password was set since. Ask an administrator for a new one.")
    ]
    assert (await browser.sign_in("somebody", NEW)).location == "/"


async def test_a_weak_password_does_not_use_the_link_up(browser: BrowserClient, link: str) -> None:
    weak = await browser.submit(link, link, **{"new-password": "tiny", "repeated-password": "tiny"})
    page = await browser.submit(link, link, **{"new-password": NEW, "repeated-password": NEW})

    assert (weak.status, [name for name, _ in weak.faults]) == (400, ["new-password"])
    assert page.location == "/login?notice=password-changed"


async def test_a_link_cannot_put_markup_on_the_page(browser: BrowserClient) -> None:
    page = await browser.get("/password-reset/%22%3E%3Cscript%3Ealert(1)")

    assert page.status == 200
    assert "<script" not in page.text
