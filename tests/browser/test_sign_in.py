"""Signing in and out in a real browser."""

import pytest
from harness.browser import Person, Visitor

pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")

WRONG = "No user has this name and password. Check the spelling of both."


def test_the_keyboard_alone_signs_in_and_comes_back_to_the_page_that_was_asked_for(
    visitor: Visitor, person: Person
) -> None:
    visitor.open("/account/sessions")
    assert visitor.path == "/login"

    order = []
    for _ in range(5):
        visitor.type("Tab")
        order.append(visitor.focused())
    assert order == [
        'link "Skip to the content"',
        'link "Nexus"',
        'textbox "User name"',
        'textbox "Password"',
        'button "Sign in"',
    ]
    visitor.type("Shift+Tab", "Shift+Tab", person.name, "Tab", person.password, "Enter")
    visitor.page.wait_for_url("**/account/sessions")
    assert visitor.page.get_by_role("heading", level=1).inner_text() == "Devices"


def test_a_wrong_password_moves_the_focus_to_the_error_and_from_there_to_the_field(
    visitor: Visitor, person: Person
) -> None:
    visitor.open("/login")
    visitor.type("Tab", "Tab", "Tab", person.name, "Tab", "a wrong one", "Enter")
    visitor.page.wait_for_selector("[role=alert]")

    assert visitor.page.title() == "Error: Sign in · Nexus"
    assert visitor.focused() == "alert"
    visitor.type("Tab")
    assert visitor.focused() == f'link "{WRONG}"'
    visitor.type("Enter")
    assert visitor.focused() == f'textbox "User name" [invalid]: {person.name}'
    assert visitor.page.get_by_label("Password").input_value() == ""


def test_the_skip_link_leads_past_the_navigation(visitor: Visitor, person: Person) -> None:
    visitor.sign_in(person)
    visitor.type("Tab", "Enter", "Tab")

    assert visitor.focused() == 'link "Data models"'
    assert visitor.page.locator("main :focus").count() == 1


def test_everything_works_without_javascript(plain_visitor: Visitor, person: Person) -> None:
    plain_visitor.sign_in(person)
    page = plain_visitor.page
    page.get_by_role("navigation", name="Account").get_by_role("link", name="Devices").click()
    page.wait_for_url("**/account/sessions")
    page.get_by_role("button", name=f"Sign out {person.name}").click()
    page.wait_for_url("**/login?notice=signed-out")

    assert page.get_by_role("status").inner_text() == "You are signed out."
    plain_visitor.open("/")
    assert plain_visitor.path == "/login"


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(visitor: Visitor, person: Person) -> None:
    visitor.sign_in(person)
    (cookie,) = visitor.page.context.cookies()

    assert cookie["expires"] > 0
    assert {name: cookie[name] for name in ("name", "httpOnly", "secure", "sameSite", "path")} == {
        "name": "__Host-nexus",
        "httpOnly": True,
        "secure": True,
        "sameSite": "Lax",
        "path": "/",
    }
    assert visitor.page.evaluate("document.cookie") == ""


def test_a_session_lasts_when_the_page_is_opened_again_and_ends_on_all_devices_at_once(
    visitor: Visitor, other_visitor: Visitor, person: Person
) -> None:
    visitor.sign_in(person)
    other_visitor.sign_in(person)
    visitor.open("/account/sessions")
    names = visitor.page.get_by_role("heading", level=2)
    assert names.all_inner_texts() == ["Chrome on Linux This device", "<b>Phone</b>"]

    visitor.page.get_by_role("button", name="Sign out <b>Phone</b>").click()
    visitor.page.wait_for_load_state()
    assert names.all_inner_texts() == ["Chrome on Linux This device"]
    other_visitor.open("/")
    assert other_visitor.path == "/login"

    other_visitor.sign_in(person)
    other_visitor.open("/account/sessions")
    other_visitor.page.get_by_role("button", name="Sign out on all devices").click()
    other_visitor.page.wait_for_url("**/login?notice=signed-out-everywhere")
    visitor.open("/")
    assert visitor.path == "/login"
