"""Files of the shape of the official ones, with their quirks, and with content made up for the tests."""

import gzip
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from xml.sax.saxutils import escape

NOTICES = [["UNSPSC® codeset"], [], ["Not for redistribution", "", "see the licence"], ["Version 26.0801"]]
WIDE = [
    *(
        "Version",
        "Key",
        "Segment",
        "Segment Title",
        "Segment Definition",
        "Family",
        "Family Title",
        "Family Definition",
    ),
    *("Class", "Class Title", "Class Definition", "Commodity", "Commodity Title", "Definition", "Synonym", "Acronym"),
]
SPANISH = [
    *("Versión", "Clave", "Segmento", "Título de Segmento", "Definición de Segmento", "Familia", "Título de Familia"),
    *("Definición de Familia", "Clase", "Título de Clase", "Definición de Clase", "Producto", "Título de Producto"),
    *("Definición", "Sinónimo", "Acrónimo"),
]
TOOLS = ["27000000", "Tools", "Things to work with", "27110000", "Hand tools", "", "27112700", "Power tools", ""]
PUMPS = ["40000000", "Flow", "", "40150000", "Pumps and compressors", "", "40151500", "Pumps", ""]
COMMODITIES = [
    ["v26", 1, *TOOLS, "27112703", "Power drills", "A drill with a motor", "Electric drill; Borer", "PD"],
    ["v26", 2, *TOOLS, "27112704", "Power saws", "", "", ""],
    ["v26", 3, *PUMPS, "40151510", "Garden pumps", "", "", ""],
]
CSV_TABLE = [
    ["code", "level", "title", "parent"],
    ["27000000", "segment", "Tools", ""],
    ["27110000", "family", "Hand tools", "27000000"],
    ["27112700", "class", "Power tools", "27110000"],
    ["27112703", "commodity", "Power drills", "27112700"],
]

ETIM = {
    "ETIMARTGROUP.csv": [["ARTGROUPID", "GROUPDESC"], ["EG000001", "Cables"], ["EG000017", "Pumps"]],
    "ETIMARTCLASS.csv": [
        ["ARTCLASSID", "ARTGROUPID", "ARTCLASSDESC", "ARTCLASSVERSION", "ARTCLASSVERSIONDATE"],
        ["EC000019", "EG000001", "Coax cable", "8", "2024-12-05"],
        ["EC011234", "EG000017", "Garden pump", "2", "2024-12-05"],
    ],
    "ETIMARTCLASSSYNONYMMAP.csv": [
        ["ARTCLASSID", "CLASSSYNONYM"],
        ["EC011234", "Jet pump"],
        ["EC011234", 'Pump; "garden"'],
    ],
    "ETIMFEATUREGROUP.csv": [["FEATUREGROUPID", "FEATUREGROUPDESC"], ["EFG00007", "Electrical"]],
    "ETIMFEATURE.csv": [
        ["FEATUREID", "FEATUREGROUPID", "FEATUREDESC"],
        ["EF000002", "EFG00007", "Nominal voltage"],
        ["EF000008", "EFG00007", "Material"],
        ["EFDE0020", "EFG00007", "With float"],
    ],
    "ETIMVALUE.csv": [["VALUEID", "VALUEDESC"], ["EV000154", "Steel"], ["EV000155", "Plastic"]],
    "ETIMUNIT.csv": [["UNITOFMEASID", "UNITDESC"], ["EU570448", "V"]],
    "ETIMARTCLASSFEATUREMAP.csv": [
        ["ARTCLASSFEATURENR", "ARTCLASSID", "FEATUREID", "FEATURETYPE", "UNITOFMEASID", "SORTNR"],
        ["101", "EC011234", "EF000008", "A", "", "2"],
        ["102", "EC011234", "EF000002", "R", "EU570448", "1"],
        ["103", "EC011234", "EFDE0020", "L", "", "3"],
    ],
    "ETIMARTCLASSFEATUREVALUEMAP.csv": [
        ["ARTCLASSFEATUREVALUENR", "ARTCLASSFEATURENR", "VALUEID", "SORTNR"],
        ["9001", "101", "EV000155", "1"],
        ["9002", "101", "EV000154", "2"],
    ],
}


def csv_bytes(rows: Iterable[Sequence[object]], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    lines = (delimiter.join(_quoted(str(cell), delimiter) for cell in row) for row in rows)
    return "".join(f"{line}\r\n" for line in lines).encode(encoding)


def _quoted(cell: str, delimiter: str) -> str:
    return '"{}"'.format(cell.replace('"', '""')) if delimiter in cell or '"' in cell or "\n" in cell else cell


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def etim_zip(changes: Mapping[str, object] | None = None, *, encoding: str = "utf-16", folder: str = "") -> bytes:
    """The archive of ETIM's CSV export; `changes` replace files, None removes one."""
    files = {**ETIM, **(changes or {})}
    packed = {
        folder + name: csv_bytes(rows, ";", encoding)  # type: ignore[arg-type]  # rows, unless it is None
        for name, rows in files.items()
        if rows is not None
    }
    return zip_bytes(packed)


def xlsx(rows: Iterable[Sequence[object]], *, shared: bool = True, prefix: str = "") -> bytes:
    """A workbook with a hidden sheet before the one with the rows; texts are shared or inline, numbers are numbers."""
    strings: dict[str, int] = {}
    lines = []
    for number, row in enumerate(rows, 1):
        cells = "".join(
            _cell(cell, number, column, strings if shared else None, prefix) for column, cell in enumerate(row)
        )
        if cells:
            lines.append(f'<{prefix}row r="{number}">{cells}</{prefix}row>')
    namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    declared = f'xmlns:{prefix[:-1]}="{namespace}"' if prefix else f'xmlns="{namespace}"'
    sheet = f"<{prefix}worksheet {declared}><{prefix}sheetData>{''.join(lines)}</{prefix}sheetData></{prefix}worksheet>"
    items = "".join(f"<si><r><t>{escape(text[:3])}</t></r><r><t>{escape(text[3:])}</t></r></si>" for text in strings)
    return workbook(sheet, f'<sst xmlns="{namespace}">{items}</sst>')


def workbook(sheet: str, strings: str, *, styles: str = "<styleSheet/>", properties: str = "") -> bytes:
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    sheets = (
        f'<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="{relations}">{properties}<sheets>'
        '<sheet name="Notes" sheetId="1" state="hidden" r:id="rId1"/><sheet name="UNSPSC" sheetId="2" r:id="rId2"/>'
        "</sheets></workbook>"
    )
    rels = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="rId1" Type="{relations}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{relations}/worksheet" Target="/xl/worksheets/sheet2.xml"/></Relationships>'
    )
    return zip_bytes(
        {
            "[Content_Types].xml": b"<Types/>",
            "xl/workbook.xml": sheets.encode(),
            "xl/_rels/workbook.xml.rels": rels.encode(),
            "xl/worksheets/sheet1.xml": b"<worksheet/>",
            "xl/worksheets/sheet2.xml": sheet.encode(),
            "xl/sharedStrings.xml": strings.encode(),
            "xl/styles.xml": styles.encode(),
        }
    )


def _cell(value: object, row: int, column: int, strings: dict[str, int] | None, prefix: str) -> str:
    reference = f'r="{chr(ord("A") + column)}{row}"'
    if value == "":
        return f'<{prefix}c {reference} s="1"/>'
    if isinstance(value, int):
        return f"<{prefix}c {reference}><{prefix}v>{value}.0</{prefix}v></{prefix}c>"
    text = str(value)
    if strings is None:
        reading = f"<{prefix}rPh><{prefix}t>reading</{prefix}t></{prefix}rPh>"
        inline = f"<{prefix}is><{prefix}t>{escape(text)}</{prefix}t>{reading}</{prefix}is>"
        return f'<{prefix}c {reference} t="inlineStr">{inline}</{prefix}c>'
    return f'<{prefix}c {reference} t="s"><{prefix}v>{strings.setdefault(text, len(strings))}</{prefix}v></{prefix}c>'


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


IXF = """<?xml version="1.0" encoding="UTF-8"?>
<IXF xmlns="https://www.etim-international.com/etimixf/31">
  <Languages><Language code="EN"/></Languages>
  <Units><Unit changeCode="Unchanged"><Code>EU570448</Code><Translations>
    <Translation language="EN"><Description>Volt</Description><Abbreviation>V</Abbreviation></Translation>
    <Translation language="de-DE"><Description>Volt</Description><Abbreviation>V</Abbreviation></Translation>
  </Translations></Unit></Units>
  <Features>
    <Feature><Code>EF000002</Code><Type>Range</Type><Translations>
      <Translation language="EN"><Description>Nominal voltage</Description></Translation>
      <Translation language="de-DE"><Description>Nennspannung</Description></Translation></Translations></Feature>
    <Feature><Code>EF000008</Code><Type>Alphanumeric</Type><Translations>
      <Translation language="EN"><Description>Material</Description></Translation>
      <Translation language="de-DE"><Description>Werkstoff</Description></Translation></Translations></Feature>
  </Features>
  <Values>
    <Value><Code>EV000154</Code><Translations>
      <Translation language="EN"><Description>Steel</Description></Translation>
      <Translation language="de-DE"><Description>Stahl</Description></Translation></Translations></Value>
  </Values>
  <Groups><Group><Code>EG000017</Code><Translations>
    <Translation language="EN"><Description>Pumps</Description></Translation>
    <Translation language="de-DE"><Description>Pumpen</Description></Translation></Translations></Group></Groups>
  <Classes><Class status="Published"><Code>EC011234</Code><Version>2</Version><GroupCode>EG000017</GroupCode><Translations>
    <Translation language="EN"><Description>Garden pump</Description>
      <Synonyms><Synonym>Jet pump</Synonym><Synonym>Watering pump</Synonym></Synonyms></Translation>
    <Translation language="de-DE"><Description>Gartenpumpe</Description>
      <Synonyms><Synonym>Strahlpumpe</Synonym></Synonyms></Translation></Translations>
    <Features>
      <Feature><OrderNumber>2</OrderNumber><FeatureCode>EF000008</FeatureCode><Values>
        <Value><OrderNumber>1</OrderNumber><ValueCode>EV000154</ValueCode></Value></Values></Feature>
      <Feature><OrderNumber>1</OrderNumber><FeatureCode>EF000002</FeatureCode><UnitCode>EU570448</UnitCode></Feature>
    </Features></Class></Classes>
</IXF>
"""

# A version after that of WIDE and COMMODITIES.
NEWER = [
    ["v27", 1, *TOOLS, "27112703", "Power drills and drivers", "", "", ""],
    ["v27", 2, *TOOLS, "27112799", "Garden pumps", "", "", ""],
    ["v27", 3, *TOOLS, "27112800", "Lasers", "", "", ""],
]
NEWER[2][8:11] = ["27112800", "Laser tools", ""]
NEWER[2][11:13] = ["27112801", "Lasers"]
