"""Allowing an application to act for a user, in a real browser."""

from collections.abc import Iterator

import httpx
import pytest
from harness.application import NAME, SCOPE, Application, running_application
from harness.browser import Person, Visitor

pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")


@pytest.fixture
def application(administrator: httpx.Client) -> Iterator[Application]:
    with running_application(administrator) as application:
        yield application


def answer_to(visitor: Visitor, application: Application) -> dict[str, str]:
    """What the application receives, once the browser has come back to it."""
    visitor.page.wait_for_url(f"{application.redirect_uri}?**")
    assert visitor.page.get_by_role("heading", level=1).inner_text() == "Welcome back"
    return dict(httpx.URL(visitor.page.url).params)


def allow(visitor: Visitor, application: Application) -> str:
    """Allow it on the page; returns the code."""
    visitor.open(application.request)
    visitor.page.get_by_role("button", name="Allow").click()
    return answer_to(visitor, application)["code"]


def test_the_keyboard_alone_signs_in_and_allows_the_application(
    visitor: Visitor, person: Person, application: Application
) -> None:
    visitor.open(application.request)
    assert visitor.path == "/login"
    visitor.type("Tab", "Tab", "Tab", person.name, "Tab", person.password, "Enter")
    visitor.page.wait_for_url("**/oauth/authorize?**")
    assert visitor.page.get_by_role("heading", level=1).inner_text() == f"Allow {NAME} to use Nexus?"

    visitor.page.get_by_role("button", name="Sign out").focus()
    visitor.type("Tab")
    assert visitor.focused() == 'button "Allow"'
    visitor.type("Enter")
    answer = answer_to(visitor, application)

    assert answer == {"code": answer["code"], "state": "a state", "iss": visitor.site}
    tokens = application.exchange(visitor.site, answer["code"]).json()
    me = httpx.get(f"{visitor.site}/v1/me", headers={"Authorization": f"Bearer {tokens['access_token']}"}).json()
    assert (me["username"], me["client_id"], me["scopes"]) == (person.name, application.id, [SCOPE])


def test_the_application_learns_that_it_was_denied(visitor: Visitor, person: Person, application: Application) -> None:
    visitor.sign_in(person)
    visitor.open(application.request)
    visitor.page.get_by_role("button", name="Deny").click()

    assert answer_to(visitor, application) == {
        "error": "access_denied",
        "error_description": "The user denied the request.",
        "state": "a state",
        "iss": visitor.site,
    }


def test_an_application_on_the_users_own_computer_is_asked_about_each_time(
    visitor: Visitor, person: Person, application: Application
) -> None:
    visitor.sign_in(person)
    codes = {allow(visitor, application) for _ in range(2)}

    assert len(codes) == 2


def test_an_application_is_allowed_without_javascript(
    plain_visitor: Visitor, person: Person, application: Application
) -> None:
    plain_visitor.sign_in(person)
    code = allow(plain_visitor, application)

    assert application.exchange(plain_visitor.site, code).json()["scope"] == SCOPE


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_narrow_and_within_its_policy(
    visitor: Visitor, person: Person, application: Application, scheme: str
) -> None:
    visitor.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    visitor.page.set_viewport_size({"width": 320, "height": 600})
    visitor.sign_in(person)
    visitor.open(application.request)

    assert visitor.path == "/oauth/authorize"
    assert (visitor.accessibility_faults(), visitor.complaints) == ([], [])
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == 320
