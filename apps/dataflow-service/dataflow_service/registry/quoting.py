"""Names of tables and columns, texts, and texts of arrays, in SQL."""

from collections.abc import Sequence


def quote(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Return a text as an SQL constant."""
    return "'" + text.replace("'", "''") + "'"


def array_text(values: Sequence[object]) -> str:
    """Return the text of an array. Each of its elements is in quotes, so that none is taken for NULL or for several."""
    return "{" + ",".join([_element(str(value)) for value in values]) + "}"


def _element(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
