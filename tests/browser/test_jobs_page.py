"""The page of jobs, which classification-service makes and the gateway passes on, in a real browser."""

import csv
import io
from pathlib import Path

import pytest
from harness.browser import Person, Visitor
from harness.team import Team
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")

JOBS = "/pages/classification/jobs"
HOSTILE = "<script>window.ran = true</script>"
ROWS = [
    ("1", "cordless drill 18V", "18 V"),
    ("2", "copy paper A4", ""),
    ("3", "", "no text"),
    ("4", HOSTILE, "=1+1"),
]
DONE_MS = 120_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "<b>products.csv"
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows([("nr", "name", "spannung"), *ROWS])
    path.write_text(text.getvalue())
    return path


def open_jobs(visitor: Visitor, person: Person) -> Page:
    visitor.sign_in(person)
    visitor.open(JOBS)
    return visitor.page


def start(page: Page, file: Path) -> Locator:
    """Send a file; returns the item of its job."""
    page.get_by_label("File", exact=True).set_input_files(file)
    expect(page.get_by_label("Use of name")).to_have_value("text")
    page.get_by_label("Use of spannung").select_option("Attribute")
    page.get_by_role("button", name="Start").click()
    item = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=file.name))
    item.first.wait_for()
    return item.first


def test_a_file_is_looked_at_sent_and_followed_to_its_results(visitor: Visitor, team: Team, file: Path) -> None:
    page = open_jobs(visitor, team.first)
    page.get_by_label("File", exact=True).set_input_files(file)
    preview = page.get_by_role("group", name="Columns")
    expect(preview.get_by_role("row")).to_have_count(1 + len(ROWS))
    expect(page.get_by_text("CSV, UTF-8, delimiter semicolon, header in row 1")).to_be_visible()
    assert preview.get_by_role("row").nth(4).get_by_role("cell").all_inner_texts() == list(ROWS[3])

    job = start(page, file)
    expect(job.get_by_text("done", exact=True)).to_be_visible(timeout=DONE_MS)
    expect(job).to_contain_text("4 of 4 rows, 1 without a code")
    job.get_by_text("Rows without a code").first.click()
    expect(job.get_by_role("row").nth(1)).to_contain_text("4")

    found = {}
    for form in ("CSV", "XLSX", "JSONL"):
        with page.expect_download() as begun:
            job.get_by_role("link", name=f"{form} with the results").click()
        found[form] = (begun.value.suggested_filename.rpartition(".")[2], Path(begun.value.path()).read_bytes())
    assert {form: suffix for form, (suffix, _) in found.items()} == {"CSV": "csv", "XLSX": "xlsx", "JSONL": "jsonl"}
    rows = list(csv.DictReader(io.StringIO(found["CSV"][1].decode("utf-8-sig")), delimiter=";"))
    assert [row["nr"] for row in rows] == ["1", "2", "3", "4"]
    assert (rows[0]["unspsc_code"], rows[3]["spannung"]) == ("27112703", "'=1+1")
    assert (page.evaluate("window.ran"), visitor.complaints) == (None, [])

    page.on("dialog", lambda dialog: dialog.accept())
    job.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name=file.name)).to_have_count(0)


def test_values_of_features_are_offered_for_etim(visitor: Visitor, team: Team, file: Path) -> None:
    page = open_jobs(visitor, team.first)
    choice = page.get_by_label("Fill in the values of features")
    expect(choice).to_be_hidden()
    page.get_by_label("Taxonomy").select_option(page.get_by_role("option", name="ETIM").first.inner_text())
    choice.check()
    job = start(page, file)
    expect(job.get_by_text("done", exact=True)).to_be_visible(timeout=DONE_MS)
    with page.expect_download() as begun:
        job.get_by_role("link", name="CSV with the results").click()
    assert Path(begun.value.path()).read_text().splitlines()[0].endswith(";etim_features")


def test_progress_comes_by_the_channel(visitor: Visitor, team: Team, tmp_path: Path) -> None:
    page = open_jobs(visitor, team.first)
    frames: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))))
    job = start(page, many_rows(tmp_path, 600))
    expect(job.get_by_text("done", exact=True)).to_be_visible(timeout=DONE_MS)

    assert any('"event": "job"' in frame or '"event":"job"' in frame for frame in frames)


def test_progress_is_asked_for_where_the_channel_does_not_come(visitor: Visitor, team: Team, tmp_path: Path) -> None:
    visitor.page.route("**/static/nexus-events.js", lambda route: route.abort())
    page = open_jobs(visitor, team.first)
    job = start(page, many_rows(tmp_path, 600))
    expect(job.get_by_text("done", exact=True)).to_be_visible(timeout=DONE_MS)


def test_a_running_job_is_cancelled(visitor: Visitor, team: Team, tmp_path: Path) -> None:
    page = open_jobs(visitor, team.first)
    job = start(page, many_rows(tmp_path, 200_000))
    expect(job.get_by_role("progressbar")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    job.get_by_role("button", name="Cancel").click()
    expect(job.get_by_text("cancelled", exact=True)).to_be_visible()
    expect(job.get_by_role("link")).to_have_count(0)


def many_rows(folder: Path, count: int) -> Path:
    """A file whose rows differ, so that each is computed."""
    path = folder / "many.csv"
    lines = (f"{number},XK-{number} frobnicator unit {number * 7919 % 9973},x\n" for number in range(count))
    path.write_text("".join(["nr,name,spannung\n", *lines]))
    return path


def test_what_is_missing_is_said(visitor: Visitor, team: Team, file: Path) -> None:
    page = open_jobs(visitor, team.first)
    alert = page.get_by_role("alert")
    page.get_by_role("button", name="Start").click()
    expect(alert).to_have_text("Choose a file.")
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_label("Use of name").select_option("Leave out")
    page.get_by_role("button", name="Start").click()
    expect(alert).to_have_text("Choose the column with the text.")
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "x.xlsx", "mimeType": "x/y", "buffer": b"PK\x03\x04 no"}
    )
    expect(alert).not_to_be_empty()


def test_jobs_are_read_without_javascript(
    plain_visitor: Visitor, visitor: Visitor, other_visitor: Visitor, team: Team, file: Path
) -> None:
    job = start(open_jobs(visitor, team.first), file)
    expect(job.get_by_text("done", exact=True)).to_be_visible(timeout=DONE_MS)
    page = open_jobs(plain_visitor, team.first)
    expect(page.locator("noscript .notice")).to_be_visible()
    assert page.get_by_role("button").count() == 0
    with page.expect_download() as begun:
        page.get_by_role("link", name="CSV with the results").click()
    assert begun.value.suggested_filename.endswith("-unspsc.csv")

    assert open_jobs(other_visitor, team.second).get_by_text("There are none.").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_narrow_and_within_its_policy(
    visitor: Visitor, team: Team, file: Path, scheme: str
) -> None:
    visitor.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    visitor.page.set_viewport_size({"width": 320, "height": 600})
    page = open_jobs(visitor, team.first)
    found = {"empty": state_of(visitor)}
    job = start(page, file)
    expect(job.get_by_text("done", exact=True)).to_be_visible(timeout=DONE_MS)
    job.get_by_text("Rows without a code").first.click()
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_label("Use of name").wait_for()
    found["preview"] = state_of(visitor)

    assert found == dict.fromkeys(found, ([], [], 320))


def state_of(visitor: Visitor) -> tuple[list[str], list[str], int]:
    """What is wrong with the page as it is, and how wide it is."""
    width = visitor.page.evaluate("document.documentElement.scrollWidth")
    return visitor.accessibility_faults(), visitor.complaints, width
