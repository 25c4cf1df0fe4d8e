"""The pages that set a password."""

import pytest
from conftest import PASSWORD
from kept_account import Kept
from page_client import BrowserClient

NEW = "another long pass phrase"
CHANGED = "Your password was changed, and all devices are signed out. Sign in with the new password."


def fields(new: str = NEW, repeated: str = NEW, current: str = PASSWORD) -> dict[str, str]:
    return {"current-password": current, "new-password": new, "repeated-password": repeated}


async def test_a_changed_password_ends_the_session(browser: BrowserClient, kept: Kept) -> None:
    await browser.sign_in("admin", PASSWORD)
    page = await browser.submit("/account/password", "/account/password", **fields())

    assert (page.status, page.location) == (303, "/login?notice=password-changed")
    assert [(old, new) for _, old, new in kept.passwords] == [(PASSWORD, NEW)]
    assert CHANGED in (await browser.get(page.location)).text
    assert (await browser.get("/")).location == "/login"


@pytest.mark.parametrize(
    ("form", "status", "faults"),
    [
        (fields(current="guess"), 403, [("current-password", "The current password is wrong.")]),
        (fields(new="tiny", repeated="tiny"), 422, [("new-password", "The password is too short.")]),
        (fields(repeated="other"), 422, [("repeated-password", "Enter the same password in both fields")]),
        (
            fields("", "", ""),
            422,
            [
                ("current-password", "Enter your current password"),
                ("new-password", "Enter a new password"),
                ("repeated-password", "Enter the new password again"),
            ],
        ),
    ],
)
async def test_a_refused_change_says_what_is_wrong(
    browser: BrowserClient, kept: Kept, form: dict[str, str], status: int, faults: list[tuple[str, str]]
) -> None:
    await browser.sign_in("admin", PASSWORD)
    page = await browser.submit("/account/password", "/account/password", **form)

    assert (page.status, page.title, page.faults) == (status, "Error: Password · Nexus", faults)
    assert all(value not in page.text for value in form.values() if value)
    assert (kept.passwords, (await browser.get("/")).status) == ([], 200)


async def test_a_stranger_changes_no_password(browser: BrowserClient, kept: Kept) -> None:
    token = (await browser.get("/login")).form_token
    page = await browser.request("POST", "/account/password", {"form_token": token, **fields()})

    assert (page.status, page.location, kept.passwords) == (303, "/login", [])


async def test_a_link_sets_a_password_without_a_session(browser: BrowserClient, kept: Kept) -> None:
    opened = await browser.get("/password-reset/good")
    new = {"new-password": NEW, "repeated-password": NEW}
    page = await browser.request("POST", "/password-reset/good", {"form_token": opened.form_token, **new})

    assert (opened.status, opened.title) == (200, "New password · Nexus")
    assert (page.location, kept.passwords) == ("/login?notice=password-changed", [("good", NEW)])


async def test_a_link_that_was_used_is_refused_with_a_page(browser: BrowserClient, kept: Kept) -> None:
    new = {"new-password": NEW, "repeated-password": NEW}
    page = await browser.submit("/password-reset/used", "/password-reset/used", **new)

    assert (page.status, page.faults, kept.passwords) == (404, [("", "The link was used, or it has expired.")], [])


async def test_a_link_cannot_put_markup_on_the_page(browser: BrowserClient) -> None:
    page = await browser.get("/password-reset/%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E")

    assert page.status in {200, 404}
    assert "<script" not in page.text
