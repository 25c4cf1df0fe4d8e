"""ETIM IXF, the XML export of versions 3.0 and 3.1, with titles in several languages."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from classification_service.taxonomies.importers.errors import fault
from classification_service.taxonomies.importers.etim_csv import kind_of
from classification_service.taxonomies.importers.records import (
    ClassFeatureRecord,
    NodeRecord,
    Record,
    TermRecord,
    clean,
)
from classification_service.taxonomies.importers.safe_xml import Element, elements

_DEPTH = 2  # IXF / Classes / Class


class EtimIxfReader:
    """The elements of a file as records, with the titles in one language."""

    format = "ETIM IXF"

    def __init__(self, stream: BinaryIO, name: str, language: str) -> None:
        self._stream = stream
        self._name = name
        self._language = language

    def records(self) -> Iterator[Record]:
        """See TaxonomyReader."""
        makers: dict[tuple[str, str], Callable[[Element, str], Iterator[Record]]] = {
            ("Units", "Unit"): self._term,
            ("Features", "Feature"): self._term,
            ("Values", "Value"): self._term,
            ("Groups", "Group"): self._group,
            ("Classes", "Class"): self._class,
        }
        for around, element in elements(self._stream, self._name, _DEPTH):
            if around[0] != "IXF":
                raise fault(f"{self._name}, line {element.line}", f"the root is {around[0]!r}; that of ETIM IXF is IXF")
            if (make := makers.get((around[1], element.tag))) is not None:
                yield from make(element, f"{self._name}, line {element.line}")

    def _term(self, element: Element, place: str) -> Iterator[TermRecord]:
        kind = kind_of(element.text_at("Type"), place) if element.tag == "Feature" else None
        translation = self._translation(element, place)
        title = translation.text_at("Abbreviation") or translation.text_at("Description")
        yield TermRecord(place, element.text_at("Code"), clean(title), kind)

    def _group(self, element: Element, place: str) -> Iterator[NodeRecord]:
        title = clean(self._translation(element, place).text_at("Description"))
        yield NodeRecord(place, element.text_at("Code"), "group", None, title)

    def _class(self, element: Element, place: str) -> Iterator[Record]:
        code = element.text_at("Code")
        translation = self._translation(element, place)
        synonyms = dict.fromkeys(clean(synonym.text) for synonym in translation.all("Synonyms", "Synonym"))
        title = clean(translation.text_at("Description"))
        found = tuple(synonym for synonym in synonyms if synonym)
        yield NodeRecord(place, code, "class", element.text_at("GroupCode"), title, "", found)
        for number, feature in enumerate(element.all("Features", "Feature"), 1):
            yield _class_feature(feature, f"{self._name}, line {feature.line}", code, number)

    def _translation(self, element: Element, place: str) -> Element:
        """The one in the language asked for, as a whole tag or by its first part."""
        found = element.all("Translations", "Translation")
        for matches in (_is_language, _is_main_language):
            for translation in found:
                if matches(translation.attributes.get("language", ""), self._language):
                    return translation
        there = ", ".join(sorted({translation.attributes.get("language", "") for translation in found}))
        code = element.text_at("Code")
        raise fault(place, f"{code} has no title in the language {self._language!r}. It has: {there or 'none'}")


def _is_language(found: str, wanted: str) -> bool:
    return found.casefold() == wanted.casefold()


def _is_main_language(found: str, wanted: str) -> bool:
    return found.casefold().partition("-")[0] == wanted.casefold().partition("-")[0]


def _class_feature(feature: Element, place: str, code: str, number: int) -> ClassFeatureRecord:
    order = feature.text_at("OrderNumber")
    values = (value.text_at("ValueCode") for value in feature.all("Values", "Value"))
    return ClassFeatureRecord(
        place=place,
        class_code=code,
        position=int(order) if order.isascii() and order.isdigit() and len(order) < 6 else number,  # noqa: PLR2004  its digits
        feature=feature.text_at("FeatureCode"),
        kind=kind_of(feature.text_at("FeatureType"), place),
        unit=feature.text_at("UnitCode") or None,
        values=tuple(value for value in values if value),
    )
