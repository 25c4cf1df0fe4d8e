"""Which format a file has, by its first bytes."""

import io
from typing import BinaryIO

from classification_service.taxonomies.importers import delimited, xlsx
from classification_service.taxonomies.importers.archives import Archive, open_gzip, open_plain
from classification_service.taxonomies.importers.errors import fault
from classification_service.taxonomies.importers.etim_csv import CLASSES, EtimCsvReader
from classification_service.taxonomies.importers.etim_ixf import EtimIxfReader
from classification_service.taxonomies.importers.records import TaxonomyReader
from classification_service.taxonomies.importers.unspsc import UnspscReader

_NAME = "the file"
_ZIP = b"PK\x03\x04"
_GZIP = b"\x1f\x8b"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_XML_STARTS = (b"<", b"\xef\xbb\xbf<", b"\xff\xfe<", b"\xfe\xff\x00<")


def open_reader(file: BinaryIO, taxonomy: str, language: str) -> TaxonomyReader:
    """The reader of a file that can be read from any place; raises TaxonomyFileError where no format fits."""
    file.seek(0)
    start = file.read(8)
    file.seek(0)
    if start.startswith(_OLD_EXCEL):
        raise fault("", "The file is an Excel workbook of before 2007 (XLS), or one with a password. Save it as XLSX.")
    if start.startswith(_GZIP):
        return _of_stream(open_gzip(file, _NAME), taxonomy, language, _NAME)
    if start.startswith(_ZIP):
        return _of_archive(Archive(file), taxonomy, language)
    return _of_stream(open_plain(file, _NAME), taxonomy, language, _NAME)


def _of_stream(stream: io.BufferedReader, taxonomy: str, language: str, name: str) -> TaxonomyReader:
    if stream.peek(8).startswith(_XML_STARTS):
        return _etim(EtimIxfReader(stream, name, language), taxonomy)
    if taxonomy != "unspsc":
        raise fault("", "The file is neither the zip archive of ETIM's CSV export nor ETIM IXF (XML).")
    return UnspscReader(delimited.rows(stream, name), name, "line", "UNSPSC CSV")


def _of_archive(archive: Archive, taxonomy: str, language: str) -> TaxonomyReader:
    if xlsx.WORKBOOK in archive.names:
        if taxonomy != "unspsc":
            raise fault(
                "", "The file is an XLSX workbook, which is read for unspsc. Import ETIM from its CSV or IXF export."
            )
        return UnspscReader(xlsx.first_sheet_rows(archive), "the sheet", "row", "UNSPSC XLSX")
    if archive.find(CLASSES) is not None:
        return _etim(EtimCsvReader(archive), taxonomy)
    tables = [name for name in archive.names if name.lower().endswith((".xml", ".csv", ".txt"))]
    if len(tables) == 1:
        return _of_stream(archive.open(tables[0]), taxonomy, language, tables[0])
    names = ", ".join(archive.names[:20]) or "nothing"
    raise fault(
        "", f"The archive is neither ETIM's CSV export, with {CLASSES}, nor one XML or CSV file. It has: {names}."
    )


def _etim(reader: TaxonomyReader, taxonomy: str) -> TaxonomyReader:
    if taxonomy != "etim":
        raise fault("", f"The file is {reader.format}, and the taxonomy asked for is {taxonomy}.")
    return reader
