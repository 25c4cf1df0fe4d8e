"""Pages of services under /pages: the shared style sheet and navigation, and a session without tokens in scripts."""

import pytest
from harness.browser import Person, Visitor

pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")

PATH = "/pages/data/example"
PAGE = """<!doctype html>
<html lang="en"><head><title>Models</title><link rel="stylesheet" href="/static/nexus.css">
<script type="module" src="/static/navigation.js"></script></head>
<body><header class="site"><a class="brand" href="/">Nexus</a></header><main><h1>Models</h1></main></body></html>"""
POLICY = "default-src 'none'; connect-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'"


@pytest.fixture
def service_page(visitor: Visitor, person: Person) -> Visitor:
    """A page of a service, opened by somebody who has signed in."""
    visitor.sign_in(person)
    answer = {"body": PAGE, "content_type": "text/html", "headers": {"Content-Security-Policy": POLICY}}
    visitor.page.route(f"{visitor.site}{PATH}", lambda route: route.fulfill(**answer))
    visitor.open(PATH)
    return visitor


def test_a_stranger_is_led_to_the_login_page_and_back(visitor: Visitor) -> None:
    visitor.open("/pages/data/models?page=2")

    assert visitor.page.url == f"{visitor.site}/login?next=%2Fpages%2Fdata%2Fmodels%3Fpage%3D2"


def test_a_page_has_the_navigation_under_a_strict_policy(service_page: Visitor, person: Person) -> None:
    navigation = service_page.page.get_by_role("navigation", name="Account")
    navigation.get_by_role("button", name=f"Sign out {person.name}").wait_for()

    assert navigation.get_by_role("link").all_inner_texts() == ["Devices", "Password"]
    assert service_page.accessibility_faults() == []
    assert service_page.complaints == []


def test_signing_out_from_there_ends_the_session(service_page: Visitor, person: Person) -> None:
    service_page.page.get_by_role("button", name=f"Sign out {person.name}").click()
    service_page.page.wait_for_url("**/login?notice=signed-out")
    service_page.open("/")

    assert service_page.path == "/login"
