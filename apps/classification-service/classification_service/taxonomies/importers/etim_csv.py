"""ETIM's CSV export: a zip archive of files in UTF-16 that are delimited by semicolons."""

from collections import defaultdict
from collections.abc import Iterator

from classification_service.taxonomies.importers.archives import Archive
from classification_service.taxonomies.importers.delimited import rows
from classification_service.taxonomies.importers.errors import fault
from classification_service.taxonomies.importers.header import Line, Table
from classification_service.taxonomies.importers.records import (
    ClassFeatureRecord,
    NodeRecord,
    Record,
    TermRecord,
    clean,
)

CLASSES = "ETIMARTCLASS.csv"
KINDS = {"n": "numeric", "a": "alphanumeric", "l": "logical", "r": "range"}
"""Kinds of features by the first letter of what the files call them."""


def kind_of(text: str, place: str) -> str | None:
    """The kind of a feature; None for an empty text. Raises TaxonomyFileError."""
    if not text:
        return None
    if (kind := KINDS.get(text[:1].casefold())) is None:
        raise fault(place, f"{text[:40]!r} is not a type of a feature. It is one of N, A, L and R")
    return kind


class EtimCsvReader:
    """The files of an archive as records."""

    format = "ETIM CSV"

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def records(self) -> Iterator[Record]:
        """See TaxonomyReader."""
        yield from self._terms("ETIMFEATURE.csv", "FEATUREID", "FEATUREDESC")
        yield from self._terms("ETIMVALUE.csv", "VALUEID", "VALUEDESC")
        yield from self._terms("ETIMUNIT.csv", "UNITOFMEASID", "UNITDESC")
        yield from self._groups()
        yield from self._classes()
        yield from self._class_features()

    def _table(self, name: str, *columns: str, optional: tuple[str, ...] = ()) -> Iterator[tuple[str, Line]]:
        """The rows of a file, each after its place."""
        path = self._archive.find(name)
        if path is None:
            raise fault("", f"The archive has no file {name}. It has: {', '.join(self._archive.names[:20])}.")
        known = {column: (column,) for column in (*columns, *optional)}
        for line in Table(rows(self._archive.open(path), name, ";"), name, known, (frozenset(columns),)):
            yield f"{name}, line {line.number}", line

    def _terms(self, name: str, code: str, title: str) -> Iterator[TermRecord]:
        for place, line in self._table(name, code, title):
            yield TermRecord(place, clean(line[code]), clean(line[title]))

    def _groups(self) -> Iterator[NodeRecord]:
        for place, line in self._table("ETIMARTGROUP.csv", "ARTGROUPID", "GROUPDESC"):
            yield NodeRecord(place, clean(line["ARTGROUPID"]), "group", None, clean(line["GROUPDESC"]))

    def _classes(self) -> Iterator[NodeRecord]:
        synonyms = self._collected("ETIMARTCLASSSYNONYMMAP.csv", "ARTCLASSID", "CLASSSYNONYM")
        for place, line in self._table(CLASSES, "ARTCLASSID", "ARTGROUPID", "ARTCLASSDESC"):
            code = clean(line["ARTCLASSID"])
            found = tuple(dict.fromkeys(synonyms.pop(code, ())))
            yield NodeRecord(place, code, "class", clean(line["ARTGROUPID"]), clean(line["ARTCLASSDESC"]), "", found)
        if synonyms:
            raise fault(
                "ETIMARTCLASSSYNONYMMAP.csv", f"it has synonyms of {min(synonyms)!r}, which is not in {CLASSES}"
            )

    def _class_features(self) -> Iterator[ClassFeatureRecord]:
        values = self._collected("ETIMARTCLASSFEATUREVALUEMAP.csv", "ARTCLASSFEATURENR", "VALUEID")
        table = self._table(
            *("ETIMARTCLASSFEATUREMAP.csv", "ARTCLASSFEATURENR", "ARTCLASSID", "FEATUREID", "FEATURETYPE"),
            optional=("UNITOFMEASID", "SORTNR"),
        )
        for place, line in table:
            position = clean(line["SORTNR"])
            yield ClassFeatureRecord(
                place=place,
                class_code=clean(line["ARTCLASSID"]),
                position=int(position) if position.isascii() and position.isdigit() and len(position) < 6 else 0,  # noqa: PLR2004  its digits
                feature=clean(line["FEATUREID"]),
                kind=kind_of(clean(line["FEATURETYPE"]), place),
                unit=clean(line["UNITOFMEASID"]) or None,
                values=tuple(values.pop(clean(line["ARTCLASSFEATURENR"]), ())),
            )

    def _collected(self, name: str, key: str, value: str) -> dict[str, list[str]]:
        """The values of each key; equal ones share their memory."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        shared: dict[str, str] = {}
        for _, line in self._table(name, key, value):
            text = clean(line[value])
            if text:
                found[clean(line[key])].append(shared.setdefault(text, text))
        return dict(found)
