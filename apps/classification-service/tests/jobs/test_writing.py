"""Files with results: in the form of their source, nothing lost, and nothing in them that a spreadsheet computes."""

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree as ET

import pytest
from test_reading import JOBS, file_of, table_of

from classification_service.jobs.models import Format, Outcome, Reading, result_names
from classification_service.jobs.tables import workbook
from classification_service.jobs.tables.defusing import defused
from classification_service.jobs.tables.reading import open_table
from classification_service.jobs.tables.writing import open_writer

FOUND = Outcome("27111602", "commodity", "=Hammers", 0.9312, "model")
HEADER = ["unspsc_code", "unspsc_level", "unspsc_title", "unspsc_confidence", "unspsc_source", "unspsc_error"]
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def written(content: BinaryIO | bytes, format_: Format, *wanted: str) -> bytes:
    table = table_of(content, *wanted)
    rows = list(table.rows())
    writer = open_writer(format_, table.layout, result_names("unspsc"))
    outcomes = [Outcome(error=row.fault) if row.fault else FOUND for row in rows]
    return writer.head() + writer.rows(rows, outcomes) + writer.end()


def csv_rows(content: bytes, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=delimiter))


def test_formulas_of_the_file_and_of_titles_are_defused_and_numbers_stay() -> None:
    rows = csv_rows(written(file_of(JOBS / "formulas"), "csv"))
    assert [row[0] for row in rows[1:]] == [
        "'=1+1",
        "'+cmd|' /C calc'!A0",
        "'@SUM(1)",
        "'-2+3",
        "'\tx",
        "' -1+1",
        "'\uff1d1+1",
        "-12.5",
        "+49 30 1234",
    ]
    assert {row[4] for row in rows[1:]} == {"'=Hammers"}


@pytest.mark.parametrize("text", ["", "claw hammer", "3-way valve", "a=b", "-5", "+1,234.50", "-.5", "1e5", "-12 %"])
def test_texts_and_numbers_are_not_changed(text: str) -> None:
    assert defused(text) == text


@pytest.mark.parametrize(
    "text", ["=1", "+a", "-a", "@a", "\ta", "\ra", "\n=1", "\u00a0=1", "\ufeff=1", "\uff0b1+1", "-1+1"]
)
def test_what_a_spreadsheet_would_compute_is_defused(text: str) -> None:
    assert defused(text) == f"'{text}"


def test_csv_keeps_its_delimiter_the_rows_above_its_header_and_bytes_that_are_no_text() -> None:
    assert csv_rows(written(file_of(JOBS / "preamble"), "csv"), ";") == [
        ["Catalogue of 2026", "", ""],
        ["", "", ""],
        ["SKU", "Text", "", *HEADER],
        ["1", "claw hammer", "", "27111602", "commodity", "'=Hammers", "0.9312", "model", ""],
        ["2", "ball bearing; 6204", "", "27111602", "commodity", "'=Hammers", "0.9312", "model", ""],
    ]
    assert b"claw h\xe4mmer" in written(file_of(JOBS / "one-byte-not-utf8"), "csv")


def test_cells_beyond_the_header_are_behind_the_results() -> None:
    row = csv_rows(written(file_of(JOBS / "too-many-cells"), "csv"))[1]
    error = "the row has 4 cells and the header 2; those beyond are behind the results"
    assert row == ["1", "claw hammer", "", "", "", "", "", error, "surplus", "more"]


@pytest.mark.parametrize(
    ("encoding", "mark"), [("utf-8", b""), ("utf-8-sig", b"\xef\xbb\xbf"), ("utf-16", b"\xef\xbb\xbf")]
)
def test_csv_is_in_utf8_with_a_mark_unless_the_file_was_plain_utf8(encoding: str, mark: bytes) -> None:
    assert written("text\nSäge\n".encode(encoding), "csv").startswith(mark + b"text,unspsc_code")


def test_lines_of_json_are_left_as_they_are() -> None:
    lines = written(file_of(JOBS / "json-lines-faulty"), "jsonl").decode().splitlines()
    results = (
        '"unspsc_code": "27111602", "unspsc_level": "commodity", "unspsc_title": "=Hammers", '
        '"unspsc_confidence": 0.9312, "unspsc_source": "model"}'
    )
    assert lines[0] == '{"sku": 1.50, "text": "claw hammer", ' + results
    assert lines[1] == json.dumps(
        {
            "line": '{"sku": 2, "text": "ball bea',
            "unspsc_error": "the row is not valid JSON: Unterminated string starting at at character 20",
        }
    )
    assert lines[4] == '{"unspsc_error": "the row is empty"}'
    assert len(lines) == 10


def test_an_empty_object_gets_results() -> None:
    assert json.loads(written(b'{}\n{"text": "a"}\n', "jsonl").splitlines()[0])["unspsc_code"] == "27111602"


def test_json_lines_become_csv_with_all_their_members() -> None:
    rows = csv_rows(written(file_of(JOBS / "json-lines-faulty"), "csv"))
    assert rows[0] == ["sku", "text", "other", *HEADER]
    assert rows[1][:3] == ["1.5", "claw hammer", ""]
    assert rows[2][-1] == '{"sku": 2, "text": "ball bea'
    assert rows[10][:3] == ["", "ball bearing", "[1, 2]"]


def test_csv_becomes_json_lines() -> None:
    (line,) = written(b"sku,text,\n1,claw hammer,x\n", "jsonl").splitlines()
    assert json.loads(line) == {
        "sku": "1",
        "text": "claw hammer",
        "column 3": "x",
        "unspsc_code": "27111602",
        "unspsc_level": "commodity",
        "unspsc_title": "=Hammers",
        "unspsc_confidence": 0.9312,
        "unspsc_source": "model",
    }


def test_a_workbook_is_read_again_as_it_was_written() -> None:
    source = b'sku,text\n=1+1,claw "hammer" <&> \x01 _x0041_\n2, \n'
    table = open_table(io.BytesIO(written(source, "xlsx")), ["text"], Reading())
    assert table.layout.columns[:3] == ["sku", "text", "unspsc_code"]
    assert [row.cells[:2] for row in table.rows()] == [["=1+1", 'claw "hammer" <&> \x01 _x0041_'], ["2", " "]]
    content = zipfile.ZipFile(io.BytesIO(written(source, "xlsx")))
    sheet = content.read("xl/worksheets/sheet1.xml").decode()
    assert 'claw "hammer" &lt;&amp;&gt; _x0001_ _x005F_x0041_' in sheet
    assert "<f>" not in sheet
    assert '<c r="A2" s="1" t="inlineStr"><is><t xml:space="preserve">=1+1</t></is></c>' in sheet
    assert '<c r="F2"><v>0.9312</v></c>' in sheet


def test_a_workbook_has_the_parts_that_programs_expect() -> None:
    content = zipfile.ZipFile(io.BytesIO(written(b"text\na\n", "xlsx")))
    assert content.testzip() is None
    assert set(content.namelist()) == {
        "[Content_Types].xml",
        "_rels/.rels",
        "xl/workbook.xml",
        "xl/_rels/workbook.xml.rels",
        "xl/styles.xml",
        "xl/worksheets/sheet1.xml",
    }
    for name in content.namelist():
        ET.fromstring(content.read(name))  # noqa: S314  the test's own file


def test_rows_beyond_a_sheet_are_on_the_next_one_below_the_same_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MAX_ROWS", 3)
    content = zipfile.ZipFile(io.BytesIO(written(b"text\na\nb\nc\nd\ne\n", "xlsx")))
    first_cells = []
    for number in (1, 2, 3):
        sheet = ET.fromstring(content.read(f"xl/worksheets/sheet{number}.xml"))  # noqa: S314  the test's own file
        first_cells.append([row[0][0][0].text for row in sheet.iter(f"{MAIN}row")])
    assert first_cells == [["text", "a", "b"], ["text", "c", "d"], ["text", "e"]]


def test_numbers_of_a_workbook_stay_numbers(tmp_path: Path) -> None:
    writer = workbook.WorkbookWriter()
    first = writer.write([["text", "price", "ok"], ["a", 12.5, True], ["b", 3, None], ["c" * 40_000]]) + writer.end()
    (tmp_path / "first.xlsx").write_bytes(first)
    rows = [row.cells for row in table_of(first).rows()]
    assert rows == [["a", 12.5, True], ["b", 3], ["c" * 32_767]]


def test_values_of_features_are_a_column_of_json() -> None:
    colour = {"code": "EF000007", "title": "Colour", "value": {"code": "EV000166", "title": "Blank"}}
    names = result_names("etim", features=True)
    table = table_of(b"text\nwasher\nnut\nbox\n")
    found = [Outcome("EC1", "class", features=[colour]), Outcome("EC2", "class", features=[]), Outcome("EG1", "group")]
    content = {}
    for format_ in ("csv", "jsonl"):
        writer = open_writer(format_, table.layout, names)
        content[format_] = writer.head() + writer.rows(list(table.rows()), found) + writer.end()
    assert [row[-1] for row in csv_rows(content["csv"])] == ["etim_features", json.dumps([colour]), "", ""]
    lines = [json.loads(line) for line in content["jsonl"].splitlines()]
    assert [line.get("etim_features") for line in lines] == [[colour], [], None]
