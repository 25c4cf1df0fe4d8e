"""What a page of another site can do with a browser that is signed in: nothing."""

import pytest
from harness.browser import Person, Visitor

pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")

ELSEWHERE = "http://elsewhere.example/"


@pytest.fixture
def signed_in(visitor: Visitor, person: Person) -> Visitor:
    visitor.sign_in(person)
    return visitor


def open_elsewhere(visitor: Visitor, body: str) -> None:
    """Open a page of another site with this content."""
    content = f"<!doctype html><title>Elsewhere</title>{body}"
    visitor.page.route(ELSEWHERE, lambda route: route.fulfill(body=content, content_type="text/html"))
    visitor.page.goto(ELSEWHERE)


@pytest.mark.parametrize("action", ["/logout", "/account/sessions/end"])
def test_its_form_changes_nothing(signed_in: Visitor, action: str) -> None:
    form = f'<form method="post" action="{signed_in.site}{action}"><button>Win a prize</button></form>'
    open_elsewhere(signed_in, form)
    signed_in.page.get_by_role("button").click()
    signed_in.page.wait_for_url(f"{signed_in.site}/**")

    signed_in.open("/")
    assert signed_in.path == "/"


def test_its_frame_shows_no_page(signed_in: Visitor) -> None:
    open_elsewhere(signed_in, f'<iframe src="{signed_in.site}/account/sessions"></iframe>')
    signed_in.page.wait_for_load_state("networkidle")

    assert [frame.url for frame in signed_in.page.frames[1:]] == ["chrome-error://chromewebdata/"]


def test_its_script_reads_and_writes_nothing(signed_in: Visitor) -> None:
    open_elsewhere(signed_in, "")
    outcome = signed_in.page.evaluate(
        """async site => {
            const tries = [
                fetch(`${site}/v1/me`, {credentials: 'include'}),
                fetch(`${site}/v1/sessions/current`, {
                    method: 'DELETE', credentials: 'include', headers: {'X-Nexus-CSRF': '1'}}),
            ]
            return (await Promise.allSettled(tries)).map(attempt => attempt.status)
        }""",
        signed_in.site,
    )

    assert outcome == ["rejected", "rejected"]
    signed_in.open("/")
    assert signed_in.path == "/"


def test_a_script_of_an_own_page_writes_with_the_header_alone(signed_in: Visitor) -> None:
    signed_in.open("/openapi.json")  # a document of this origin without a policy
    statuses = signed_in.page.evaluate(
        """async () => {
            const post = headers => fetch('/v1/tokens', {
                method: 'POST', headers: {'Content-Type': 'application/json', ...headers},
                body: '{"audience": "dataflow-service"}'})
            return [(await post({})).status, (await post({'X-Nexus-CSRF': '1'})).status]
        }"""
    )

    assert statuses == [403, 201]
