"""Setting and changing a password in a real browser, by keyboard alone."""

import pytest
from harness.browser import Person, Visitor

pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")

NEW = "another pass phrase of some length"


def log_in(visitor: Visitor, name: str, password: str) -> None:
    visitor.open("/login")
    visitor.type("Tab", "Tab", "Tab", name, "Tab", password, "Enter")
    visitor.page.wait_for_url("**/")


def test_a_link_sets_the_first_password_once(plain_visitor: Visitor, invited: tuple[str, str]) -> None:
    name, link = invited
    plain_visitor.open(link)
    plain_visitor.type("Tab", "Tab", "Tab")
    assert plain_visitor.focused() == 'textbox "New password"'
    plain_visitor.type(NEW, "Tab", NEW, "Enter")
    plain_visitor.page.wait_for_url("**/login?notice=password-changed")
    log_in(plain_visitor, name, NEW)

    plain_visitor.open(link)
    plain_visitor.type("Tab", "Tab", "Tab", NEW, "Tab", NEW, "Enter")
    plain_visitor.page.wait_for_selector("[role=alert]")
    assert "The link was used" in plain_visitor.page.get_by_role("alert").inner_text()


def test_a_changed_password_ends_the_session_and_is_the_one_that_counts(visitor: Visitor, person: Person) -> None:
    log_in(visitor, person.name, person.password)
    visitor.open("/account/password")
    visitor.page.get_by_label("Current password").focus()
    visitor.type(person.password, "Tab", NEW, "Tab", NEW, "Enter")
    visitor.page.wait_for_url("**/login?notice=password-changed")
    visitor.open("/")
    assert visitor.path == "/login"

    log_in(visitor, person.name, NEW)
    assert visitor.path == "/"


def test_each_fault_of_the_form_is_announced_with_its_field(visitor: Visitor, person: Person) -> None:
    log_in(visitor, person.name, person.password)
    visitor.open("/account/password")
    visitor.page.get_by_label("Current password").focus()
    visitor.type("Tab", NEW, "Tab", "something else", "Enter")
    visitor.page.wait_for_selector("[role=alert]")

    links = visitor.page.get_by_role("alert").get_by_role("link")
    assert [(link.inner_text(), link.get_attribute("href")) for link in links.all()] == [
        ("Enter your current password", "#current-password")
    ]
    field = visitor.page.get_by_label("Current password")
    described = field.get_attribute("aria-describedby")
    assert visitor.page.locator(f"#{described}").text_content() == "Error: Enter your current password"
