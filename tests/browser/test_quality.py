"""What holds for every page: accessibility, narrow screens, and the Content Security Policy."""

from collections.abc import Callable, Iterator

import pytest
from harness.browser import Person, Visitor

pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")

PUBLIC = ["/login", "/login?notice=signed-out", "/password-reset/unknown"]
OWN = ["/", "/account/sessions", "/account/password"]
POLICY = "Content Security Policy"
NARROW = {"width": 320, "height": 600}  # WCAG 2.2, success criterion 1.4.10

Visit = Callable[[], Iterator[str]]


@pytest.fixture
def each_page(visitor: Visitor, person: Person) -> Visit:
    """Opens every page, those with errors included, and yields the name of each."""

    def pages() -> Iterator[str]:
        for path in PUBLIC:
            visitor.open(path)
            yield path
        visitor.open("/login")
        visitor.page.get_by_role("button", name="Sign in").click()
        visitor.page.wait_for_selector("[role=alert]")
        yield "/login with errors"
        visitor.sign_in(person)
        for path in OWN:
            visitor.open(path)
            yield path
        visitor.page.get_by_role("button", name="Change password").click()
        visitor.page.wait_for_selector("[role=alert]")
        yield "/account/password with errors"

    return pages


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(visitor: Visitor, each_page: Visit, scheme: str) -> None:
    visitor.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    found = {page: visitor.accessibility_faults() for page in each_page()}

    assert found == {page: [] for page in found}
    assert len(found) == len(PUBLIC) + len(OWN) + 2


def test_axe_finds_what_is_wrong(visitor: Visitor) -> None:
    visitor.page.set_content("<html><body><input><img src='x'></body></html>")

    found = {fault.partition(":")[0] for fault in visitor.accessibility_faults()}
    assert found >= {"label", "image-alt", "html-has-lang", "document-title"}


def test_every_page_fits_a_narrow_screen(visitor: Visitor, each_page: Visit) -> None:
    visitor.page.set_viewport_size(NARROW)  # type: ignore[arg-type]  # playwright's own dictionary type
    found = {page: visitor.page.evaluate("document.documentElement.scrollWidth") for page in each_page()}

    assert found == dict.fromkeys(found, NARROW["width"])


def test_no_page_violates_its_policy(visitor: Visitor, each_page: Visit) -> None:
    pages = list(each_page())
    refused = [complaint for complaint in visitor.complaints if POLICY in complaint]

    assert (refused, len(pages)) == ([], len(PUBLIC) + len(OWN) + 2)


def test_the_policy_keeps_scripts_from_running(visitor: Visitor) -> None:
    visitor.open("/login")
    visitor.page.evaluate(
        "const script = document.createElement('script'); script.textContent = 'window.ran = true'; document.body.append(script)"
    )

    assert visitor.page.evaluate("window.ran") is None
    assert any(POLICY in complaint for complaint in visitor.complaints)
