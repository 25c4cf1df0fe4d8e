"""What is read of the files that people send, and what is wrong with those that cannot be read."""

import io
from pathlib import Path
from typing import Any, BinaryIO

import official_files as files
import pytest
from conftest import FIXTURES

from classification_service.jobs.errors import TableFileError
from classification_service.jobs.models import Reading, result_names
from classification_service.jobs.preview import preview
from classification_service.jobs.tables.reading import Table, open_table
from classification_service.jobs.tables.text import MAX_ROW

JOBS = FIXTURES / "jobs"
CSV = FIXTURES / "csv"
RESERVED = result_names("unspsc")


def file_of(folder: Path) -> BinaryIO:
    (path,) = folder.iterdir()
    return io.BytesIO(path.read_bytes())


def table_of(content: BinaryIO | bytes, *wanted: str, **stated: str | None) -> Table:
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    return open_table(file, wanted or ("text",), Reading(reserved=RESERVED, **stated))  # type: ignore[arg-type]


def rows_of(content: BinaryIO | bytes, *wanted: str, **stated: str | None) -> list[tuple[Any, ...]]:
    rows = table_of(content, *wanted, **stated).rows()
    return [(row.number, row.source or row.cells, *([row.fault] if row.fault else [])) for row in rows]


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ("empty-file", "The file is empty. Send CSV, JSON Lines or XLSX."),
        (
            "blank-beginning",
            "The file has no header: its first rows are empty. Give each column a name in the first row.",
        ),
        ("no-text-column", "The file has no column 'text'. It has: 'sku', 'name'."),
        ("repeated-column", "The file has more than one column named 'note'. Give each its own name."),
        ("results-already-there", "The file has the columns 'unspsc_code' already. Rename or remove them first."),
        (
            "not-utf8",
            "The file is not in UTF-8: line 2 has the byte 0xe4. It may be in windows-1252: say so by `encoding`, or save it as UTF-8.",
        ),
        (
            "not-text",
            "The file is no text: byte 8 is 0x00. Send CSV, JSON Lines, or XLSX (not XLS) without a password.",
        ),
        ("old-excel", "The file is an Excel workbook of before 2007 (XLS), or has a password. Save it as XLSX."),
        ("compressed", "The file is compressed by gzip. Send it unpacked."),
        (
            "json-array",
            "The file is a JSON array. Send JSON Lines: each object on a line of its own, without the array.",
        ),
        (
            "json-lines-none",
            "The file has no JSON object on its first lines. Line 1: the row is not valid JSON: Expecting ':' delimiter at character 8.",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(failure: str, message: str) -> None:
    with pytest.raises(TableFileError) as refused:
        table_of(file_of(JOBS / failure))
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        (
            "unclosed-quote",
            [
                (2, ["1", "claw hammer"]),
                (3, ["2", '19" monitor']),
                (4, ["3", "ball bearing"]),
                (5, ['4,"copy"paper'], "the row is not readable as CSV: ',' expected after '\"'"),
                (6, ["5", "pump"]),
            ],
        ),
        (
            "too-many-cells",
            [
                (
                    2,
                    ["1", "claw hammer", "surplus", "more"],
                    "the row has 4 cells and the header 2; those beyond are behind the results",
                ),
                (3, ["2", "ball bearing"]),
            ],
        ),
        (
            "empty-rows",
            [
                (2, [], "the row is empty"),
                (3, ["1", "claw hammer"]),
                (4, ["", ""], "the row is empty"),
                (5, ["2", "  "]),
                (6, [], "the row is empty"),
                (7, [], "the row is empty"),
                (8, ["3", "ball bearing"]),
            ],
        ),
        (
            "one-byte-not-utf8",
            [
                (2, ["1", "Säge für Holz"]),
                (3, ["2", "claw h\udce4mmer"], "the row is not in the file's encoding: it has the byte 0xe4"),
                (4, ["3", "claw hammer"]),
            ],
        ),
        (
            "json-lines-faulty",
            [
                (1, '{"sku": 1.50, "text": "claw hammer"}'),
                (
                    2,
                    '{"sku": 2, "text": "ball bea',
                    "the row is not valid JSON: Unterminated string starting at at character 20",
                ),
                (3, '["claw hammer"]', "the row is no JSON object"),
                (4, '{"sku": 4, "text": "pump", "sku": 5}', "the row has the member 'sku' twice"),
                (5, [], "the row is empty"),
                (6, '{"sku": 6, "text": {"en": "pump"}}'),
                (7, '{"sku": NaN, "text": "pump"}', "the row has NaN, which is no JSON"),
                (8, '{"sku": 8}'),
                (
                    9,
                    '{"sku": 9, "text": "claw hammer", "unspsc_code": "1"}',
                    "the row has unspsc_code already, where results are written to",
                ),
                (10, '{"other": [1, 2], "text": "ball bearing"}'),
            ],
        ),
        ("only-header", []),
    ],
)
def test_a_row_that_cannot_be_read_takes_no_other_with_it(kind: str, rows: list[tuple[Any, ...]]) -> None:
    assert rows_of(file_of(JOBS / kind)) == rows


def test_a_quote_that_is_never_closed_takes_no_other_row_with_it() -> None:
    lines = ["text\n", 'a "good" row\n', '"opened\n', *(f"row {number}\n" for number in range(200_000))]
    rows = rows_of("".join(lines).encode())
    assert rows[:3] == [
        (2, ['a "good" row']),
        (3, ['"opened'], "the row is not readable as CSV: a quote is opened and not closed"),
        (4, ["row 0"]),
    ]
    assert len(rows) == 200_002


@pytest.mark.parametrize(
    ("encoding", "stated", "text"),
    [
        ("utf-8", None, "Säge für Holz, 20 €"),
        ("utf-8-sig", None, "Säge für Holz, 20 €"),
        ("utf-8-sig", "utf-8", "Säge für Holz, 20 €"),
        ("utf-16", None, "Säge für Holz, 20 €"),
        ("utf-16-le", None, "claw hammer"),
        ("utf-16-be", None, "claw hammer"),
        ("windows-1252", "windows-1252", "Säge für Holz, 20 €"),
        ("shift_jis", "shift_jis", "玉軸受"),
        ("gb18030", "gb18030", "滚珠轴承"),
    ],
)
def test_encodings_are_found_or_stated(encoding: str, stated: str | None, text: str) -> None:
    content = f'sku;text\r\n1;"{text}"\r\n'.encode(encoding)
    assert rows_of(content, encoding=stated) == [(2, ["1", text])]


def test_an_encoding_that_is_stated_wrongly_is_a_fault_of_its_rows() -> None:
    content = "text\nclaw hammer\nGer\u00e4t \u0081\n".encode("iso-8859-1")
    assert rows_of(content, encoding="windows-1252") == [
        (2, ["claw hammer"]),
        (3, ["Gerät \udc81"], "the row is not in the file's encoding: it has the byte 0x81"),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(delimiter: str) -> None:
    lines = [["sku", "text", "price"], ["1", "drill, with case; 18 V", "3,50"], ["2", "pump", "4,00"]]
    content = files.csv_bytes(lines, delimiter)
    table = table_of(content)
    assert (table.layout.delimiter, [row.cells for row in table.rows()]) == (delimiter, lines[1:])


def test_commas_in_the_texts_of_a_single_column_are_no_delimiters() -> None:
    content = b"text\ndrill, 18 V\nball bearing, steel, 6204\nhammer, 16 oz\n"
    assert rows_of(content) == [(2, ["drill, 18 V"]), (3, ["ball bearing, steel, 6204"]), (4, ["hammer, 16 oz"])]


def test_the_header_is_found_below_other_rows_and_in_any_case() -> None:
    table = table_of(file_of(JOBS / "preamble"))
    assert (table.layout.header_row, table.layout.columns, table.layout.preamble) == (
        3,
        ["SKU", "Text", "column 3"],
        [["Catalogue of 2026", "", ""], ["", "", ""]],
    )
    assert [row.cells for row in table.rows()] == [["1", "claw hammer", ""], ["2", "ball bearing; 6204", ""]]


def test_a_line_of_more_than_a_row_may_have_is_refused() -> None:
    content = b"sku,text\n1,claw hammer\n2," + b"x" * MAX_ROW + b"\n"
    with pytest.raises(TableFileError, match=r"^Line 3 of the file has more than 1048576 characters\."):
        list(table_of(content).rows())


def test_a_sheet_keeps_numbers_errors_and_empty_rows() -> None:
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="inlineStr"><is><t>ok</t></is></c></row>'
        '<row r="3"><c r="A3"><v>12.50</v></c><c r="B3" t="str"><f>A1</f><v>claw hammer</v></c><c r="C3" t="b"><v>1</v></c></row>'
        '<row r="4"><c r="A4"><v>1E3</v></c><c r="B4" t="e"><v>#N/A</v></c></row><row r="9"><c r="A9" s="1"/></row>'
        "</sheetData></worksheet>"
    )
    content = files.workbook(sheet, "<sst><si><t>sku</t></si><si><t>text</t></si></sst>")
    assert rows_of(content) == [
        (2, [], "the row is empty"),
        (3, [12.5, "claw hammer", True]),
        (4, [1000, "#N/A"]),
    ]


@pytest.mark.parametrize(
    ("epoch", "dates"),
    [
        ("0", ["2026-11-27", "2026-11-27 18:00:00", "12:00:00", "1900-01-01", 46353, 46353.75, 46353]),
        ("1", ["2030-11-28", "2030-11-28 18:00:00", "12:00:00", "1904-01-02", 46353, 46353.75, 46353]),
    ],
)
def test_dates_of_a_sheet_are_texts(epoch: str, dates: list[object]) -> None:
    styles = (
        '<styleSheet><numFmts><numFmt numFmtId="164" formatCode="dd\\.mm\\.yyyy;@"/>'
        '<numFmt numFmtId="165" formatCode=\'[Red]0.00&quot; days&quot;\'/><numFmt numFmtId="166" formatCode="[h]:mm"/></numFmts>'
        '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/>'
        '<xf numFmtId="165"/><xf numFmtId="166"/></cellXfs></styleSheet>'
    )
    numbers = [("46353", 1), ("46353.75", 2), ("0.5", 4), ("1", 1), ("46353", 0), ("46353.75", 3), ("46353", 3)]
    cells = "".join(f'<c s="{style}"><v>{number}</v></c>' for number, style in numbers)
    header = '<row r="1"><c t="inlineStr"><is><t>text</t></is></c>' + "</row>"
    sheet = f"<worksheet><sheetData>{header}<row r='2'>{cells}</row></sheetData></worksheet>"
    content = files.workbook(sheet, "<sst/>", styles=styles, properties=f'<workbookPr date1904="{epoch}"/>')
    assert [row.cells for row in table_of(content).rows()] == [dates]


def test_a_zip_without_workbook_is_refused() -> None:
    with pytest.raises(TableFileError, match=r"^The file is a zip archive without a workbook\."):
        table_of(files.zip_bytes({"products.csv": b"text\nclaw hammer\n"}))


SHARED_BOMB = "<sst>" + f"<si><t>{'a' * 1_000_000}</t></si>" * 140 + "</sst>"
SHEET_BOMB = "<worksheet><sheetData><row r='1'><c r='A1' t='inlineStr'><is><t>" + "a" * 50_000_000


@pytest.mark.parametrize(
    ("sheet", "strings", "message"),
    [
        ("<worksheet/>", SHARED_BOMB, "xl/sharedStrings.xml: it has more than 128 million characters of text"),
        (SHEET_BOMB, "<sst/>", "row 1: the row has more than 4 MiB"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><worksheet/>", "<sst/>", "it has a document type (DOCTYPE)"),
    ],
)
def test_a_workbook_that_unpacks_to_too_much_is_refused(sheet: str, strings: str, message: str) -> None:
    bomb = files.workbook(sheet, strings)
    assert len(bomb) < 300_000
    with pytest.raises(TableFileError) as refused:
        table_of(bomb)
    assert message in str(refused.value)
    assert str(refused.value).startswith("The workbook cannot be read. ")


def test_a_damaged_archive_is_refused() -> None:
    with pytest.raises(TableFileError, match=r"^The workbook cannot be read\. The file is not a readable zip archive"):
        table_of(files.xlsx([["text"], ["claw hammer"]])[:-40])


def test_a_preview_says_how_a_file_would_be_read() -> None:
    found = preview(file_of(JOBS / "not-utf8"), Reading())
    assert (found.layout.encoding, found.certain, found.layout.delimiter) == ("windows-1252", False, ",")
    assert (found.text_columns, found.rows) == (["text"], [["1", "Gerät"], ["2", "Säge für Holz"]])
    assert preview(file_of(CSV / "semicolons"), Reading()).layout.delimiter == ";"
    assert preview(file_of(CSV / "utf-16"), Reading()).certain


def test_a_preview_names_the_column_that_is_likely_the_text() -> None:
    content = (
        "Art.-Nr.;Bezeichnung;Bemerkung\n4711;Schlagbohrmaschine 650 W;neu, mit Koffer und Zubehör im Karton\n".encode()
    )
    assert preview(io.BytesIO(content), Reading()).text_columns == ["Bezeichnung"]
    content = b'{"a": 1, "b": "short"}\n{"a": 2, "c": "a longer text of a product"}\n'
    assert preview(io.BytesIO(content), Reading()).text_columns == ["c"]
