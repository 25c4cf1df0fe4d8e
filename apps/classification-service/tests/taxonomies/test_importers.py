import io
import tracemalloc
from collections.abc import Sequence

import official_files as files
import pytest

from classification_service.taxonomies.importers import archives
from classification_service.taxonomies.importers.detection import open_reader
from classification_service.taxonomies.importers.errors import TaxonomyFileError
from classification_service.taxonomies.importers.records import ClassFeatureRecord, NodeRecord, Record, TermRecord
from classification_service.taxonomies.importers.tree import Tree


def read(content: bytes, taxonomy: str = "unspsc", language: str = "en") -> list[Record]:
    reader = open_reader(io.BytesIO(content), taxonomy, language)
    return list(Tree(taxonomy).checked(reader.records()))


def nodes(records: Sequence[Record]) -> list[tuple[str, str, str | None, str, str, tuple[str, ...]]]:
    return [
        (node.code, node.level, node.parent, node.title, node.definition, node.synonyms)
        for node in records
        if isinstance(node, NodeRecord)
    ]


UNSPSC = [
    ("27000000", "segment", None, "Tools", "Things to work with", ()),
    ("27110000", "family", "27000000", "Hand tools", "", ()),
    ("27112700", "class", "27110000", "Power tools", "", ()),
    ("27112703", "commodity", "27112700", "Power drills", "A drill with a motor", ("Electric drill", "Borer", "PD")),
    ("27112704", "commodity", "27112700", "Power saws", "", ()),
    ("40000000", "segment", None, "Flow", "", ()),
    ("40150000", "family", "40000000", "Pumps and compressors", "", ()),
    ("40151500", "class", "40150000", "Pumps", "", ()),
    ("40151510", "commodity", "40151500", "Garden pumps", "", ()),
]


@pytest.mark.parametrize(
    "content",
    [
        files.xlsx([*files.NOTICES, files.WIDE, *files.COMMODITIES]),
        files.xlsx([files.WIDE, *files.COMMODITIES], shared=False),
        files.xlsx([files.WIDE, *files.COMMODITIES], prefix="x:"),
        files.xlsx([*files.NOTICES, files.SPANISH, *files.COMMODITIES]),
        files.xlsx([[*files.WIDE, "Our remark", ""], *([*row, "x", "y"] for row in files.COMMODITIES)]),
        files.csv_bytes([files.WIDE, *files.COMMODITIES], ";", "utf-16"),
        files.csv_bytes([*files.NOTICES, files.WIDE, *files.COMMODITIES], "\t", "utf-8-sig"),
        files.gzipped(files.csv_bytes([files.WIDE, *files.COMMODITIES])),
        files.zip_bytes({"UNSPSC.csv": files.csv_bytes([files.WIDE, *files.COMMODITIES])}),
    ],
    ids=["notices", "inline", "prefixed", "spanish", "stray-columns", "utf-16", "tabs", "gzip", "zipped-csv"],
)
def test_unspsc_files_are_read_whatever_they_come_with(content: bytes) -> None:
    assert nodes(read(content)) == UNSPSC


def test_rows_of_codes_alone_are_read_and_get_their_level_from_the_digits() -> None:
    older = [
        ["Key", "Parent key", "Code", "Title"],
        ["1", "", "27000000", "Tools"],
        ["2", "1", "27110000", "Hand  tools"],
    ]
    assert nodes(read(files.csv_bytes(older))) == [
        ("27000000", "segment", None, "Tools", "", ()),
        ("27110000", "family", "27000000", "Hand tools", "", ()),
    ]
    assert [node[:4] for node in nodes(read(files.csv_bytes(files.CSV_TABLE)))] == [
        ("27000000", "segment", None, "Tools"),
        ("27110000", "family", "27000000", "Hand tools"),
        ("27112700", "class", "27110000", "Power tools"),
        ("27112703", "commodity", "27112700", "Power drills"),
    ]


ETIM_NODES = [
    ("EG000001", "group", None, "Cables", "", ()),
    ("EG000017", "group", None, "Pumps", "", ()),
    ("EC000019", "class", "EG000001", "Coax cable", "", ()),
    ("EC011234", "class", "EG000017", "Garden pump", "", ("Jet pump", 'Pump; "garden"')),
]


@pytest.mark.parametrize(
    "content",
    [
        files.etim_zip(),
        files.etim_zip(encoding="utf-16-le", folder="ETIM-10.0/"),
        files.etim_zip(
            {"ETIMARTGROUP.csv": [["ARTGROUPID", "GROUPDESC_EN", "REMARK"], *files.ETIM["ETIMARTGROUP.csv"][1:]]}
        ),
    ],
    ids=["utf-16", "no-byte-order-mark", "column-with-language"],
)
def test_etim_archives_are_read_with_features_values_and_units(content: bytes) -> None:
    records = read(content, "etim")
    assert nodes(records) == ETIM_NODES
    assert [(term.code, term.title) for term in records if isinstance(term, TermRecord)] == [
        ("EF000002", "Nominal voltage"),
        ("EF000008", "Material"),
        ("EFDE0020", "With float"),
        ("EV000154", "Steel"),
        ("EV000155", "Plastic"),
        ("EU570448", "V"),
    ]
    assert [record for record in records if isinstance(record, ClassFeatureRecord)] == [
        ClassFeatureRecord(
            "ETIMARTCLASSFEATUREMAP.csv, line 2",
            *("EC011234", 2, "EF000008", "alphanumeric", None),
            values=("EV000155", "EV000154"),
        ),
        ClassFeatureRecord("ETIMARTCLASSFEATUREMAP.csv, line 3", "EC011234", 1, "EF000002", "range", "EU570448", ()),
        ClassFeatureRecord("ETIMARTCLASSFEATUREMAP.csv, line 4", "EC011234", 3, "EFDE0020", "logical", None, ()),
    ]


@pytest.mark.parametrize(
    ("language", "titles"),
    [
        ("en", ["Volt V", "Nominal voltage", "Material", "Steel", "Pumps", "Garden pump", "Jet pump", "Watering pump"]),
        ("de", ["Volt V", "Nennspannung", "Werkstoff", "Stahl", "Pumpen", "Gartenpumpe", "Strahlpumpe"]),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_etim_ixf_is_read_in_the_language_asked_for(language: str, titles: list[str], packed: bool) -> None:  # noqa: FBT001  a parameter
    content = files.IXF.encode()
    records = read(files.zip_bytes({"ETIMIXF3_1.xml": content}) if packed else content, "etim", language)
    found = [record.title for record in records if isinstance(record, TermRecord | NodeRecord)]
    synonyms = [synonym for record in records if isinstance(record, NodeRecord) for synonym in record.synonyms]
    assert [*found, *synonyms] == ["V", *titles[1:]]
    features = [record for record in records if isinstance(record, ClassFeatureRecord)]
    assert [(item.position, item.feature, item.kind, item.unit, item.values) for item in features] == [
        (2, "EF000008", None, None, ("EV000154",)),
        (1, "EF000002", None, "EU570448", ()),
    ]


def csv_with(*rows: Sequence[str]) -> bytes:
    return files.csv_bytes([*files.CSV_TABLE, *rows])


BOMB = files.zip_bytes({"UNSPSC.csv": b"code,title\n" + (b" " * 1000 + b"\n") * 5000})
DEEP = "<a>" * 100


@pytest.mark.parametrize(
    ("taxonomy", "content", "message"),
    [
        ("unspsc", b"", "the file: it has no header with the columns Segment, Segment Title or Code, Title in its first rows. Found: no columns at all"),
        ("unspsc", b"sku,name\n1,drill\n", "the file: it has no header with the columns Segment, Segment Title or Code, Title in its first rows. Found: 'sku', 'name'"),
        ("unspsc", b"code,title,Code\n27000000,Tools,1\n", "the file, line 1: the header has more than one column Code. Remove all but one"),
        ("unspsc", b"code,title\n", "The file has no codes."),
        ("unspsc", csv_with(["2711270", "commodity", "Saws", "27112700"]), "line 6: '2711270' is not a UNSPSC code, which has 8 digits"),
        ("unspsc", csv_with(["27112704", "class", "Saws", "27112700"]), "line 6: 27112704 is a commodity by its digits, and the column Level says 'class'"),
        ("unspsc", csv_with(["27112703", "commodity", "Drills", "27112700"]), "line 6: the code 27112703 is there a second time; the first is at line 5"),
        ("unspsc", csv_with(["27122703", "commodity", "Drills", ""], ["27112704", "commodity", "", ""]),
         "line 7: the code 27112704 has no title; line 6: the parent '27122700' of 27122703 is not in the file"),
        ("unspsc", csv_with(["27120000", "family", "A", "27121700"], ["27121700", "class", "B", "27120000"]),
         "line 6: the family 27120000 lies below the class 27121700, so that codes form a circle or skip back"),
        ("unspsc", files.xlsx([files.WIDE, files.COMMODITIES[0], [*files.COMMODITIES[1][:3], "Toolz", *files.COMMODITIES[1][4:]]]),
         "row 3: segment 27000000 is called 'Toolz' here and 'Tools' above"),
        ("unspsc", files.xlsx([files.WIDE, ["v26", 1, "27110000", "Tools"]]), "row 2: 27110000 is in the column of a segment, and by its digits it is a family"),
        ("unspsc", "code,title\n27000000,Gärten\n".encode("latin-1"), "the file, after line 0: it is not in UTF-8: found the byte 0xe4. Save it as UTF-8"),
        ("unspsc", b'code,title\n27000000,"Tools\n', "the file, line 2: it is not readable as CSV: unexpected end of data"),
        ("unspsc", b"\xd0\xcf\x11\xe0" + bytes(20), "The file is an Excel workbook of before 2007 (XLS), or one with a password. Save it as XLSX."),
        ("unspsc", files.xlsx([files.WIDE])[:-30], "The file is not a readable zip archive: File is not a zip file. Download it again."),
        ("unspsc", files.zip_bytes({"a.csv": b"", "b.csv": b""}), "The archive is neither ETIM's CSV export, with ETIMARTCLASS.csv, nor one XML or CSV file. It has: a.csv, b.csv."),
        ("unspsc", files.etim_zip(), "The file is ETIM CSV, and the taxonomy asked for is unspsc."),
        ("etim", files.xlsx([files.WIDE]), "The file is an XLSX workbook, which is read for unspsc. Import ETIM from its CSV or IXF export."),
        ("etim", csv_with(), "The file is neither the zip archive of ETIM's CSV export nor ETIM IXF (XML)."),
        ("etim", files.etim_zip({"ETIMUNIT.csv": None}), "The archive has no file ETIMUNIT.csv. It has: ETIMARTGROUP.csv, ETIMARTCLASS.csv, ETIMARTCLASSSYNONYMMAP.csv, ETIMFEATUREGROUP.csv, ETIMFEATURE.csv, ETIMVALUE.csv, ETIMARTCLASSFEATUREMAP.csv, ETIMARTCLASSFEATUREVALUEMAP.csv."),
        ("etim", files.etim_zip({"ETIMVALUE.csv": [["VALUEID", "VALUEDESC"], ["EV000154", "Steel"]]}),
         "ETIMARTCLASSFEATUREMAP.csv, line 2: 'EV000155' is not among the features, values and units of the file"),
        ("etim", files.etim_zip({"ETIMARTGROUP.csv": [["ARTGROUPID", "GROUPDESC"], ["EG000017", "Pumps"]]}),
         "ETIMARTCLASS.csv, line 2: the parent 'EG000001' of EC000019 is not in the file"),
        ("etim", files.etim_zip({"ETIMARTGROUP.csv": [["ARTGROUPID", "GROUPDESC"], ["EG17", "Pumps"]]}),
         "ETIMARTGROUP.csv, line 2: 'EG17' has not the shape of a code of the level group; ETIMARTCLASS.csv, line 2: the parent 'EG000001' of EC000019 is not in the file; ETIMARTCLASS.csv, line 3: the parent 'EG000017' of EC011234 is not in the file"),
        ("etim", files.IXF.replace("<IXF", "<!DOCTYPE IXF [<!ENTITY a 'b'>]><IXF", 1).encode(), "the file, line 2: it has a document type (DOCTYPE), which official files do not have. Remove it"),
        ("etim", files.IXF.replace("</Units>", "").encode(), "the file, line 34: it is not valid XML: mismatched tag"),
        ("etim", files.IXF.replace('"UTF-8"', '"klingon"').encode(), "the file: its encoding is not readable: unknown encoding: klingon. Save it as UTF-8"),
        ("etim", files.IXF.replace("IXF", "BMECAT").encode(), "the file, line 3: the root is 'BMECAT'; that of ETIM IXF is IXF"),
        ("etim", f"<IXF><Classes>{DEEP}".encode(), "the file, line 1: elements are nested deeper than 32"),
    ],
)  # fmt: skip
def test_a_faulty_file_is_refused_with_the_place_of_its_faults(taxonomy: str, content: bytes, message: str) -> None:
    with pytest.raises(TaxonomyFileError) as raised:
        read(content, taxonomy)
    assert str(raised.value) == message


def test_a_language_that_ixf_lacks_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(TaxonomyFileError) as raised:
        read(files.IXF.encode(), "etim", "fr")
    expected = "the file, line 4: EU570448 has no title in the language 'fr'. It has: EN, de-DE"
    assert str(raised.value) == expected


def test_ten_faults_are_reported_and_no_more_are_looked_for() -> None:
    rows = [[f"2711{number:02}00", "class", "", "27110000"] for number in range(30, 60)]
    with pytest.raises(TaxonomyFileError) as raised:
        read(csv_with(*rows))
    assert [fault.place for fault in raised.value.faults] == [f"line {line}" for line in range(6, 16)]


def test_a_zip_bomb_is_read_no_further_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives.Limited.__init__, "__defaults__", (1024**2,))
    with pytest.raises(TaxonomyFileError) as raised:
        read(BOMB)
    assert str(raised.value).startswith("UNSPSC.csv: it unpacks to more than 1 MiB")


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        ('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>', "row 1048576: there is a cell in column 16384; at most 200 columns are read"),
        ('<row r="1"><c r="A1" t="s"><v>7</v></c></row>', "row 1: it refers to the text '7', which the file does not have: it is damaged"),
        ('<row r="1"><c r="A1" t="e"><v>#REF!</v></c></row>', "row 1: a cell holds the error #REF!. Correct the formula, or save the values alone"),
        ('<row r="2"/><row r="1"/>', "xl/worksheets/sheet2.xml: row 1 comes after row 2: the file is damaged. Save it again"),
    ],
)  # fmt: skip
def test_a_workbook_that_would_need_much_memory_or_is_damaged_is_refused(sheet: str, message: str) -> None:
    content = files.workbook(f"<worksheet><sheetData>{sheet}</sheetData></worksheet>", "<sst/>")
    with pytest.raises(TaxonomyFileError) as raised:
        read(content)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "sheet",
    [
        '<row r="1"><c r="A1" t="inlineStr"><is><t>' + "x" * 9_000_000 + "</t></is></c></row>",
        '<row r="1" x="' + "x" * 9_000_000 + '"/>',
    ],
    ids=["text", "attribute"],
)
def test_one_huge_text_is_not_held_in_memory(sheet: str) -> None:
    content = files.workbook(f"<worksheet><sheetData>{sheet}</sheetData></worksheet>", "<sst/>")
    with pytest.raises(TaxonomyFileError, match="more than 4 MiB"):
        read(content)


def test_memory_does_not_grow_with_the_rows() -> None:
    def peak(rows: int) -> int:
        texts = ([f"27{number:06}", f"Tool {number} " + "x" * 500] for number in range(101, rows))
        content = files.csv_bytes(
            [["code", "title"], ["27000000", "Tools"], *(row for row in texts if row[0][4:6] == "00" or True)]
        )
        tracemalloc.start()
        reader = open_reader(io.BytesIO(content), "unspsc", "en")
        count = sum(1 for _ in reader.records())
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == rows - 100
        return used

    assert peak(20_000) < peak(2_000) + 200_000
