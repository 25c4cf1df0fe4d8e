"""Which statements a file may have: one change of a table of the service's own schema each.

Files are reviewed like the models beside them, and the owner's role can reach no other schema; what is refused here are mistakes.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from dataflow_service.schema.tables import SERVICE_TABLES

_TOKEN = re.compile(
    r"""
    (?P<space>\s+) | (?P<comment>--|/\*) | (?P<dollar>\$[A-Za-z_]*\$) | (?P<escaped>(?:[eE]|[uU]&)['"])
    | (?P<text>'(?:[^']|'')*') | (?P<name>"(?:[^"]|"")+" | [^\W\d][\w$]*) | (?P<other>[$\d]*[\d.]*\d | .)
    """,
    re.VERBOSE | re.DOTALL,
)
_BEGINNINGS = re.compile(
    r"(?:ALTER TABLE|(?:CREATE|DROP) (?:TABLE|POLICY)|CREATE (?:UNIQUE )?INDEX|DROP INDEX|UPDATE|INSERT INTO|DELETE FROM)\b"
)
_BEFORE_TABLES = frozenset({"TABLE", "UPDATE", "INTO", "FROM", "ON", "JOIN", "REFERENCES", "ONLY", "EXISTS", "USING"})
_REFUSED = {
    "comment": "has a comment",
    "dollar": "has a text in dollars",
    "escaped": "has a text or a name with escapes",
}


def fault(statement: str) -> str | None:
    """Return why a file may not have a statement, in words that follow "a statement that"; None where it may."""
    tokens = list(_tokens(statement))
    for kind, _ in tokens:
        if kind in _REFUSED:
            return _REFUSED[kind]
    words = [text for _, text in tokens]
    if ";" in words:
        return "is more than one"
    if not _BEGINNINGS.match(" ".join(words[:3])):
        return "changes no table"
    if any(kinds == ("name", "other", "name") and dot == "." for kinds, dot in _triples(tokens)):
        return "names another schema, or a column by its table"
    return _fault_of_pairs(words)


def _tokens(statement: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(statement):
        if match.lastgroup != "space":
            is_word = match.lastgroup == "name" and not match[0].startswith('"')
            yield str(match.lastgroup), match[0].upper() if is_word else match[0]


def _triples(tokens: list[tuple[str, str]]) -> Iterator[tuple[tuple[str, str, str], str]]:
    for (one, _), (two, dot), (three, _) in zip(tokens, tokens[1:], tokens[2:], strict=False):
        yield (one, two, three), dot


def _fault_of_pairs(words: list[str]) -> str | None:
    for before, word in pairwise(words):
        if (before, word) == ("SET", "SCHEMA"):
            return "moves a table to another schema"
        if before in _BEFORE_TABLES and word.strip('"').lower() in SERVICE_TABLES:
            return f"names {word.strip('"').lower()}, a table of the service itself"
    return None
