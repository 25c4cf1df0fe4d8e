"""The lines of a requirements file, joined and freed of comments as pip does it.

https://pip.pypa.io/en/stable/reference/requirements-file-format/#structure
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_COMMENT = re.compile(r"(^|\s+)#.*$")


@dataclass(frozen=True)
class LogicalLine:
    """What pip takes for one line.

    Attributes:
        number: of its first line in the file, from 1.
        text: without comments and without blanks around it.
        swallowing: number of a line in it whose comment ends in a backslash, which makes the next line a part of the
            comment; 0 if there is none.
    """

    number: int
    text: str
    swallowing: int


def logical_lines(text: str) -> Iterator[LogicalLine]:
    """Yield each requirement or option of a requirements file."""
    for number, lines in _groups(text):
        joined = "".join(line.strip("\\") if _continues(line) else line for line in lines)
        swallowing = next(
            (at for at, line in enumerate(lines, number) if _continues(line) and _COMMENT.search(line)), 0
        )
        if (stripped := _COMMENT.sub("", joined).strip()) or swallowing:
            yield LogicalLine(number, stripped, swallowing)


def _groups(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that pip joins into one, with the number of the first; a line of comment ends them."""
    lines: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        lines.append(f" {line}" if _COMMENT.match(line) else line)
        if not _continues(line):
            yield number - len(lines) + 1, lines
            lines = []
    if lines:
        yield len(text.splitlines()) - len(lines) + 1, lines


def _continues(line: str) -> bool:
    return line.endswith("\\") and not _COMMENT.match(line)
