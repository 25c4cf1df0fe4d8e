"""Dates in sheets, which are numbers with a format (18.8.30 numFmt)."""

import re
from datetime import datetime, timedelta

from classification_service.taxonomies.importers.archives import Archive
from classification_service.taxonomies.importers.safe_xml import elements
from classification_service.taxonomies.importers.xlsx import WORKBOOK

_STYLES = "xl/styles.xml"
_BUILT_IN = frozenset([*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)])
_NO_DATE = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]|general', re.IGNORECASE)  # texts, colours, conditions
_PARTS = re.compile(r"[dmyhs]", re.IGNORECASE)
_BEGIN = datetime(1899, 12, 30)  # noqa: DTZ001  a sheet knows no time zone
_LEAP_FAULT = 60  # 29 February 1900, which there was not
_MAX = 2_958_466  # the first day of the year 10000
_DAYS_TO_1904 = 1462


class Dates:
    """Which formats of a workbook are those of dates; raises TaxonomyFileError."""

    def __init__(self, archive: Archive) -> None:
        self._styles = _date_styles(archive)
        self._shift = _DAYS_TO_1904 if _counts_from_1904(archive) else 0

    def text(self, style: str, number: float) -> str | None:
        """A number with that format as ISO 8601; None where it is no date."""
        if style not in self._styles or not 0 <= number < _MAX - self._shift:
            return None
        days = number + self._shift
        moment = _BEGIN + timedelta(seconds=round((days + (days < _LEAP_FAULT)) * 86400))
        if number < 1:
            return moment.time().isoformat()
        return moment.date().isoformat() if number == int(number) else moment.isoformat(" ")


def _date_styles(archive: Archive) -> frozenset[str]:
    """The places of the date formats among those of cells."""
    if _STYLES not in archive.names:
        return frozenset()
    formats = set(map(str, _BUILT_IN))
    found: set[str] = set()
    place = 0
    for around, element in elements(archive.open(_STYLES), _STYLES, 2):
        match around[-1], element.tag:
            case "numFmts", "numFmt":
                if _PARTS.search(_NO_DATE.sub("", element.attributes.get("formatCode", ""))):
                    formats.add(element.attributes.get("numFmtId", ""))
            case "cellXfs", "xf":
                if element.attributes.get("numFmtId") in formats:
                    found.add(str(place))
                place += 1
    return frozenset(found)


def _counts_from_1904(archive: Archive) -> bool:
    properties = (item for _, item in elements(archive.open(WORKBOOK), WORKBOOK, 1) if item.tag == "workbookPr")
    return any(item.attributes.get("date1904") in {"1", "true"} for item in properties)
