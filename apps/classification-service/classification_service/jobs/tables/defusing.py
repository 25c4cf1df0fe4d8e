"""Cells that a spreadsheet would take for a formula."""

import re

# A spreadsheet may leave out white space before it, and take the full-width signs for the others.
_STARTS = re.compile(r"[\s\ufeff\u200b]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r]")
_NUMBER = re.compile(r"\s*[+-]?(\d[\d.,' \u00a0\u202f]*|[.,]\d+)([eE][+-]?\d+)?\s*%?\s*")


def defused(text: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet would compute it (OWASP: CSV injection); numbers stay."""
    if _STARTS.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text
