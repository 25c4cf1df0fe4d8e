"""UNSPSC: a row for each code, or a row for each commodity with the codes above it; in any language version.

Official workbooks have Segment, Segment Title, ... Commodity Title, Definition, Synonym after some rows of notices; older
CSV files Key, Parent key, Code, Title.
"""

import re
from collections.abc import Iterable, Iterator

from classification_service.taxonomies.importers.errors import fault
from classification_service.taxonomies.importers.header import Line, Table
from classification_service.taxonomies.importers.records import NodeRecord, clean, synonyms_of

LEVELS = ("segment", "family", "class", "commodity")
_DIGITS = {"segment": 2, "family": 4, "class": 6, "commodity": 8}

_WORDS = {
    "segment": ("Segment", "Segmento", "Segmente"),
    "family": ("Family", "Familia", "Famille", "Familie", "Família"),
    "class": ("Class", "Clase", "Classe", "Klasse"),
    "commodity": ("Commodity", "Producto", "Mercancía", "Produit", "Marchandise", "Ware", "Produkt", "Produto"),
}
_CODE_WORDS = ("Code", "Código", "Codigo", "Kode")
_TITLE_WORDS = ("Title", "Name", "Nombre", "Título", "Titre", "Nom", "Titel", "Bezeichnung", "Nome")
_DEFINITION_WORDS = ("Definition", "Definición", "Définition", "Definição")


def _with(words: Iterable[str], kinds: Iterable[str]) -> tuple[str, ...]:
    return tuple(
        name for kind in kinds for word in words for name in (f"{word} {kind}", f"{kind} {word}", f"{kind} de {word}")
    )


_COLUMNS = {
    **{level: (*words, *_with(words, _CODE_WORDS)) for level, words in _WORDS.items()},
    **{f"{level} title": _with(words, _TITLE_WORDS) for level, words in _WORDS.items()},
    **{f"{level} definition": _with(words, _DEFINITION_WORDS) for level, words in _WORDS.items()},
    "code": _CODE_WORDS,
    "title": _TITLE_WORDS,
    "level": ("Level", "Nivel", "Niveau", "Ebene", "Nível"),
    "parent": ("Parent", "Parent code"),
    "definition": _DEFINITION_WORDS,
    "synonym": ("Synonym", "Synonyms", "Sinónimo", "Sinónimos", "Synonyme", "Sinônimo"),
    "acronym": ("Acronym", "Acronyms", "Acrónimo", "Acronyme", "Akronym"),
}
_LONG = frozenset({"code", "title"})
_WIDE = frozenset({"segment", "segment title"})


class UnspscReader:
    """The rows of a table as records of its codes."""

    def __init__(self, rows: Iterable[tuple[int, list[str]]], name: str, unit: str, source: str) -> None:
        self.format = source
        self._rows = rows
        self._name = name
        self._unit = unit

    def records(self) -> Iterator[NodeRecord]:
        """See TaxonomyReader."""
        table = Table(self._rows, self._name, _COLUMNS, (_WIDE, _LONG))
        if table.columns >= _LONG and not table.columns >= _WIDE:
            return (self._of_code(line) for line in table)
        return self._of_commodities(table)

    def _place(self, line: Line) -> str:
        return f"{self._unit} {line.number}"

    def _of_code(self, line: Line) -> NodeRecord:
        code, place = clean(line["code"]), self._place(line)
        level = level_of(code, place)
        if (stated := clean(line["level"]).casefold()) and stated in LEVELS and stated != level:
            raise fault(place, f"{code} is a {level} by its digits, and the column Level says {stated!r}")
        parent = clean(line["parent"]) or parent_of(code, level)
        return _record(line, place, code, level, parent)

    def _of_commodities(self, table: Table) -> Iterator[NodeRecord]:
        """The codes above the commodities are in many rows: the first makes the record, others must agree with it."""
        above: dict[str, str] = {}
        own: set[str] = set()
        for line in table:
            place = self._place(line)
            levels = [level for level in LEVELS if clean(line[level])]
            for level in levels:
                code, title = clean(line[level]), clean(line[f"{level} title"])
                is_own = level == levels[-1]
                if level == "commodity" or code not in above:
                    _check_level(code, level, place)
                    yield _record(line, place, code, level, parent_of(code, level), prefix=f"{level} ", own=is_own)
                elif above[code] != title:
                    raise fault(place, f"{level} {code} is called {title!r} here and {above[code]!r} above")
                elif is_own and code in own:
                    raise fault(place, f"the code {code} is there a second time")
                if level != "commodity":
                    above[code] = title
                    own.update([code] if is_own else [])


def _record(
    line: Line, place: str, code: str, level: str, parent: str | None, *, prefix: str = "", own: bool = True
) -> NodeRecord:
    definition = line[f"{prefix}definition"] or (line["definition"] if own else "")
    return NodeRecord(
        place=place,
        code=code,
        level=level,
        parent=parent,
        title=clean(line[f"{prefix}title"]),
        definition=clean(definition),
        synonyms=synonyms_of(line["synonym"], line["acronym"]) if own else (),
    )


def level_of(code: str, place: str) -> str:
    """The level that the digits of a code say; raises TaxonomyFileError for a code of another shape."""
    if not re.fullmatch(r"[0-9]{8}", code) or code.startswith("00"):
        raise fault(place, f"{code[:40]!r} is not a UNSPSC code, which has 8 digits")
    return next(level for level, digits in _DIGITS.items() if int(code[digits:] or "0") == 0)


def parent_of(code: str, level: str) -> str | None:
    """The code one level above by the digits; None above a segment."""
    if level == "segment":
        return None
    return code[: _DIGITS[level] - 2].ljust(8, "0")


def _check_level(code: str, level: str, place: str) -> None:
    if (found := level_of(code, place)) != level:
        raise fault(place, f"{code} is in the column of a {level}, and by its digits it is a {found}")
