"""The page of the review queue, which classification-service makes and the gateway passes on, in a real browser."""

import re
from typing import TYPE_CHECKING

import httpx
import pytest
from harness.browser import Person, Visitor
from harness.figures import Figures
from harness.team import Team
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")

REVIEW = "/pages/classification/review"
API = "**/v1/classification"
JARGON = [f"XK-{number} frobnicator unit" for number in range(6)]
BEARINGS = "31171504"
HOSTILE = "<script>window.ran = true</script><img src=x onerror='window.ran = true'> \u202eedoc\u202c"
FORMULA = '=HYPERLINK("http://example.com","x") part'
LONG_WORD = "w" * 400

# From a key until the picture with the next row is drawn.
MEASURE = """() => {
    window.times = []
    addEventListener('keydown', ({ timeStamp }) => requestAnimationFrame(() => setTimeout(() => times.push(performance.now() - timeStamp))), true)
}"""


def open_queue(visitor: Visitor, person: Person) -> Page:
    visitor.sign_in(person)
    visitor.open(REVIEW)
    expect(visitor.page.get_by_role("article")).not_to_have_attribute("aria-busy", "true")
    return visitor.page


def text_of(page: Page) -> str:
    return page.get_by_role("article").get_by_role("heading", level=2).inner_text()


def wait_until_saved(team: Team, page: Page, expected: dict[str, str]) -> None:
    for _ in range(100):
        if team.decisions() == expected:
            return
        page.wait_for_timeout(100)
    assert team.decisions() == expected


def codes_of(team: Team, text: str) -> tuple[str, list[str]]:
    """The code that is suggested for a text, and those of its candidates."""
    answer = team.client.get("/v1/classification/review", params={"taxonomy": "unspsc", "limit": 1000})
    row = next(row for row in answer.json()["items"] if row["item"]["text"] == text)
    return row["code"], [candidate["code"] for candidate in row["candidates"]]


def test_the_keyboard_alone_decides(visitor: Visitor, team: Team) -> None:
    assert team.ask([{"text": text} for text in JARGON[:4]]) == 4
    page = open_queue(visitor, team.first)
    expected = {}

    accepted = text_of(page)
    expected[accepted] = codes_of(team, accepted)[0]
    page.keyboard.press("Enter")
    chosen = text_of(page)
    expected[chosen] = page.locator("#candidates code").nth(1).inner_text()
    page.keyboard.press("2")
    skipped = text_of(page)
    page.keyboard.press("s")
    searched = text_of(page)
    assert len({accepted, chosen, skipped, searched}) == 4
    page.keyboard.press("/")
    page.keyboard.type("bearing")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    active = page.get_by_role("option", selected=True)
    expected[searched] = active.locator("code").inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Only rows that you skipped are left.")).to_be_visible()

    page.keyboard.press("u")
    assert text_of(page) == searched
    expect(page.get_by_text(f"You chose {expected[searched]}")).to_be_visible()
    expected[searched] = page.locator("#candidates code").first.inner_text()
    page.keyboard.press("1")
    page.get_by_role("button", name="Look at them again").press("Enter")
    assert text_of(page) == skipped
    wait_until_saved(team, page, expected)
    assert visitor.complaints == []


def test_the_mouse_decides_too(visitor: Visitor, team: Team) -> None:
    team.ask([{"text": text} for text in JARGON[:3]])
    page = open_queue(visitor, team.first)
    first = text_of(page)
    page.get_by_role("button", name="Search codes").click()
    page.get_by_role("combobox").fill(BEARINGS)
    page.get_by_role("option").click()
    second = text_of(page)
    third = page.get_by_role("complementary").get_by_role("listitem").get_by_role("button").first
    name = third.inner_text()
    third.click()
    assert text_of(page) == name
    page.get_by_role("button", name=re.compile("^Accept")).click()
    assert text_of(page) == second
    page.get_by_role("button", name="Help").click()
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Close").click()

    expect(page.get_by_role("article")).to_be_visible()
    for _ in range(100):
        if len(decided := team.decisions()) == 2:
            break
        page.wait_for_timeout(100)
    assert (set(decided), decided[first]) == ({first, name}, BEARINGS)


def test_two_reviewers_do_not_overwrite_each_other(visitor: Visitor, other_visitor: Visitor, team: Team) -> None:
    team.ask([{"text": text} for text in JARGON[:3]])
    one, other = open_queue(visitor, team.first), open_queue(other_visitor, team.second)
    text = text_of(one)
    assert text_of(other) == text
    code = one.locator("#candidates code").first.inner_text()
    one.keyboard.press("1")
    wait_until_saved(team, one, {text: code})

    other.keyboard.press("2")
    alert = other.get_by_role("alert")
    expect(alert).to_contain_text(f"Somebody else has decided “{text}” meanwhile: {code}")
    assert text_of(other) != text
    assert team.decisions() == {text: code}

    second = text_of(one)
    next_code = one.locator("#candidates code").first.inner_text()
    one.keyboard.press("1")
    wait_until_saved(team, one, {text: code, second: next_code})
    other.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(other.get_by_role("complementary").get_by_role("button", name=second)).to_have_count(0)


def test_what_cannot_be_saved_is_in_the_queue_again(visitor: Visitor, team: Team) -> None:
    team.ask([{"text": text} for text in JARGON[:2]])
    page = open_queue(visitor, team.first)
    text = text_of(page)
    page.route(f"{API}/feedback", lambda route: route.fulfill(status=422, json={"detail": "It was refused."}))
    page.keyboard.press("Enter")

    expect(page.get_by_role("alert")).to_contain_text(
        f"“{text}” was not saved, and it is in the queue again: It was refused."
    )
    expect(page.get_by_role("complementary").get_by_role("button", name=text)).to_be_visible()
    expect(page.locator("#left")).to_have_text("2")
    assert team.decisions() == {}


def test_a_lost_connection_is_tried_again(visitor: Visitor, team: Team) -> None:
    team.ask([{"text": JARGON[0]}])
    page = open_queue(visitor, team.first)
    code = codes_of(team, JARGON[0])[0]
    failures = iter([True])

    def fail_once(route: object) -> None:
        route.abort() if next(failures, False) else route.continue_()  # type: ignore[attr-defined]  # playwright's Route

    page.route(f"{API}/feedback", fail_once)
    page.keyboard.press("a")
    wait_until_saved(team, page, {JARGON[0]: code})


def test_keys_do_nothing_once_they_are_switched_off(visitor: Visitor, team: Team) -> None:
    team.ask([{"text": text} for text in JARGON[:2]])
    page = open_queue(visitor, team.first)
    text = text_of(page)
    page.get_by_label("Keys decide at once").uncheck()
    for key in ("a", "1", "s", "?"):
        page.keyboard.press(key)
    assert (text_of(page), page.get_by_role("dialog").count()) == (text, 0)
    page.reload()
    expect(page.get_by_role("article")).not_to_have_attribute("aria-busy", "true")
    expect(page.get_by_label("Keys decide at once")).not_to_be_checked()
    assert team.decisions() == {}


def test_a_thousand_rows_stay_quick(visitor: Visitor, team: Team, figures: Figures) -> None:
    for first in range(0, 1000, 100):
        texts = [f"XK-{number} frobnicator {number * 7919 % 997}" for number in range(first, first + 100)]
        assert team.ask([{"text": text} for text in texts]) == 100
    page = open_queue(visitor, team.first)
    elements = page.evaluate("document.querySelectorAll('*').length")
    page.evaluate(MEASURE)
    seen = []
    for key in "s" * 20 + "a" * 10:
        seen.append(text_of(page))
        page.keyboard.press(key)
    page.wait_for_function("times.length === 30")
    times = sorted(page.evaluate("times"))

    assert (len(set(seen)), elements < 300) == (30, True)
    figures.seconds("from a key to the next of 1,000 rows, median", times[15] / 1000, 0.1)
    figures.seconds("from a key to the next of 1,000 rows, the longest of 30", times[-1] / 1000, 0.1)


def test_hostile_texts_stay_text(visitor: Visitor, team: Team) -> None:
    items: list[dict[str, object]] = [
        {"text": HOSTILE, "attributes": {HOSTILE: HOSTILE}, "id": HOSTILE},
        {"text": FORMULA},
        {"text": LONG_WORD},
        {"text": "مضخة مياه 220", "language": "ar"},
    ]
    queued = team.ask(items)
    page = open_queue(visitor, team.first)
    seen = set()
    for _ in range(queued):
        seen.add(text_of(page))
        page.keyboard.press("s")

    assert any("<script>window.ran" in text for text in seen)
    assert FORMULA in seen
    assert (page.evaluate("window.ran"), visitor.complaints) == (None, [])


def test_the_queue_is_read_without_javascript(plain_visitor: Visitor, team: Team) -> None:
    team.ask([{"text": f"XK-{number} frobnicator unit"} for number in range(25)])
    plain_visitor.sign_in(team.first)
    plain_visitor.page.get_by_role("link", name="Review").click()
    page = plain_visitor.page
    first = page.get_by_role("article").all_inner_texts()
    expect(page.locator("noscript .notice")).to_be_visible()
    assert (len(first), page.get_by_role("button", name="Accept").count()) == (20, 0)
    page.locator(".without-script summary").first.click()
    assert page.get_by_role("article").first.locator("code").count() == 11
    page.get_by_role("link", name="More rows").click()
    second = page.get_by_role("article").all_inner_texts()
    assert (len(second), set(first) & set(second)) == (5, set())
    page.get_by_role("link", name=re.compile("^ETIM")).first.click()
    expect(page.get_by_text("Nothing is left to decide.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_narrow_and_within_its_policy(visitor: Visitor, team: Team, scheme: str) -> None:
    team.ask([{"text": LONG_WORD, "attributes": {LONG_WORD[:90]: LONG_WORD}}, *({"text": text} for text in JARGON)])
    visitor.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    visitor.page.set_viewport_size({"width": 320, "height": 600})
    page = open_queue(visitor, team.first)
    page.get_by_role("button", name=f"Sign out {team.first.name}").wait_for()

    def open_help() -> None:
        page.keyboard.press("?")

    def open_search() -> None:
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        page.keyboard.type("bearing")
        page.get_by_role("option").first.wait_for()

    def go_back() -> None:
        page.keyboard.press("Enter")
        page.keyboard.press("u")

    found: dict[str, object] = {"queue": state_of(visitor)}
    steps: dict[str, Callable[[], None]] = {"help": open_help, "search": open_search, "decided": go_back}
    for name, step in steps.items():
        step()
        found[name] = state_of(visitor)
    assert found == dict.fromkeys(found, ([], [], 320))


def state_of(visitor: Visitor) -> tuple[list[str], list[str], int]:
    """What is wrong with the page as it is, and how wide it is."""
    width = visitor.page.evaluate("document.documentElement.scrollWidth")
    return visitor.accessibility_faults(), visitor.complaints, width


def test_a_user_who_may_not_classify_sees_no_rows(
    visitor: Visitor, administrator: httpx.Client, team: Team, person: Person
) -> None:
    assert administrator.get("/v1/me").status_code == 200
    team.ask([{"text": JARGON[0]}])
    visitor.sign_in(person)
    assert visitor.page.get_by_role("link", name="Review").count() == 0
    visitor.open(REVIEW)
    assert JARGON[0] not in visitor.page.content()
