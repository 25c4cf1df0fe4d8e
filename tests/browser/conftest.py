"""A real browser on a running stack, and somebody who uses it."""

import secrets
import shutil
from collections.abc import Iterator

import httpx
import pytest
from harness.browser import Person, Visitor, visitor_in
from harness.stack import Stack, login
from harness.team import Team, make_team
from playwright.sync_api import Browser, Playwright, sync_playwright

_PROGRAM = "chromium"


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """For one file: an event loop runs in this thread while it is open, and tests of other folders run their own."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Debian's browser, without a window."""
    program = shutil.which(_PROGRAM)
    assert program, "the tests of pages need chromium: apt-get install chromium"
    options = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
    ]  # containers run as root, with a small /dev/shm
    browser = playwright.chromium.launch(executable_path=program, args=options)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def site(stack: Stack) -> str:
    """Address of the gateway."""
    return stack.gateway


@pytest.fixture(scope="session")
def administrator(stack: Stack) -> Iterator[httpx.Client]:
    with login(stack) as client:
        yield client


@pytest.fixture
def invited(administrator: httpx.Client) -> tuple[str, str]:
    """A user without a password: the name, and the path of a link to set one."""
    name = f"person-{secrets.token_hex(4)}"
    created = administrator.post("/v1/users", json={"username": name, "roles": ["viewer"]})
    assert created.status_code == 201, created.text
    link = administrator.post(f"/v1/users/{created.json()['id']}/password-reset")
    assert link.status_code == 201, link.text
    return name, httpx.URL(link.json()["url"]).path


@pytest.fixture
def person(administrator: httpx.Client) -> Person:
    """A user who has a password."""
    person = Person(f"person-{secrets.token_hex(4)}", "a pass phrase of some length")
    body = {"username": person.name, "password": person.password, "roles": ["viewer"]}
    created = administrator.post("/v1/users", json=body)
    assert created.status_code == 201, created.text
    return person


@pytest.fixture
def team(administrator: httpx.Client, site: str) -> Iterator[Team]:
    with httpx.Client(base_url=site, timeout=60, trust_env=False) as client:
        yield make_team(administrator, client)


@pytest.fixture
def visitor(chromium: Browser, site: str) -> Iterator[Visitor]:
    with chromium.new_context() as context:
        yield visitor_in(context, site)


@pytest.fixture
def other_visitor(chromium: Browser, site: str) -> Iterator[Visitor]:
    """Another device."""
    with chromium.new_context(user_agent="<b>Phone</b>") as context:
        yield visitor_in(context, site)


@pytest.fixture
def plain_visitor(chromium: Browser, site: str) -> Iterator[Visitor]:
    """A browser with JavaScript off."""
    with chromium.new_context(java_script_enabled=False) as context:
        yield visitor_in(context, site)
