"""Splits a command into its words as a shell does, and finds what only a shell could carry out.

https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html
"""

import re
from collections.abc import Iterator

_EXPANSION = r"\$(?:\{[^}]*\}?|\([^)]*\)?|\[[^\]]*\]?|[A-Za-z_][A-Za-z0-9_]*|[0-9@*\#?$!-])|`"
_UNQUOTED = (
    r"\$(?=['\"])",  # strings that a shell translates
    r"[|&;<>()]+",
    r"[*?]",
    r"\[[^\]\s]*\]",
    r"\{[^}\s]*\}?",
    r"(?<![^ \t=:])~[A-Za-z0-9_-]*",
)
_TOKEN = re.compile(
    rf"""'(?P<single>[^']*)'
    | "(?P<double>(?:[^"\\]|\\.)*)"
    | \\(?P<escaped>.)
    | (?P<blank>[ \t]+)
    | (?P<comment>(?<![^ \t])\#.*)
    | (?P<feature>{"|".join((_EXPANSION, *_UNQUOTED))})
    | (?P<open>['"\\]).*
    | (?P<plain>.)""",
    re.VERBOSE,
)
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_IN_DOUBLE_QUOTES = re.compile(rf"\\(?P<escaped>[$`\"\\])|(?P<feature>{_EXPANSION})|(?P<plain>.)", re.DOTALL)


class QuotingError(ValueError):
    """A quotation has no end, or nothing follows a backslash."""


def find_shell_feature(command: str) -> str | None:
    """Return the first thing in `command` that only a shell could carry out, or None.

    These are operators, patterns of file names and `~` outside quotes, expansions outside single quotes, and
    assignments before the program.
    """
    if assignment := _ASSIGNMENT.match(command):
        return assignment.group()
    return next((text for kind, text in _tokens(command) if kind == "feature"), None)


def find_comment(command: str) -> str | None:
    """Return the comment at the end of `command`, from its `#` on, or None."""
    return next((text for kind, text in _tokens(command) if kind == "comment"), None)


def split_command(command: str) -> tuple[str, ...]:
    """Return the words of a command that has neither comments nor shell features.

    Raises:
        QuotingError: the quoting is not complete.
    """
    words: list[str] = []
    inside = False
    for kind, text in _tokens(command):
        if kind == "open":
            raise QuotingError(f"nothing closes the {text}" if text != "\\" else "nothing follows the last \\")
        if kind != "blank":
            words[len(words) - inside :] = [(words[-1] if inside else "") + text]
        inside = kind != "blank"
    return tuple(words)


def _tokens(command: str) -> Iterator[tuple[str, str]]:
    """Yield kind and text of each part: `blank`, `comment`, `feature`, `open`, and `plain` for text without its quotes."""
    for match in _TOKEN.finditer(command):
        kind = str(match.lastgroup)
        if kind == "double":
            yield from _parts_of_double(match[kind])
        else:
            yield "plain" if kind in {"single", "escaped"} else kind, match[kind]


def _parts_of_double(text: str) -> Iterator[tuple[str, str]]:
    yield "plain", ""  # "" is a word too
    for match in _IN_DOUBLE_QUOTES.finditer(text):
        kind = str(match.lastgroup)
        yield "plain" if kind == "escaped" else kind, match[kind]
