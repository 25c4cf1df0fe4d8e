"""The documents as the tests read them: tables, code, links, and what of the tree they name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from nexusctl.workspace import ROOT, load

README = ROOT / "README.md"
PRODUCTION = ROOT / "docs" / "guides" / "run-in-production.md"
BUILDING = ROOT / "docs" / "concepts" / "build-pipeline.md"
GUIDES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
APP_READMES = {app.name: app.folder / "README.md" for app in load().apps}
DOCUMENTS = [
    *GUIDES,
    ROOT / "CHANGELOG.md",
    ROOT / "buildpacks" / "README.md",
    ROOT / "libs" / "chassis" / "README.md",
    *APP_READMES.values(),
]

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_SPAN = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Table:
    """A table under a heading; cells are as they are written."""

    heading: str
    header: list[str]
    rows: list[list[str]]

    def column(self, name: str) -> list[str]:
        """Return the cells under one of the header's names."""
        index = self.header.index(name)
        return [row[index] for row in self.rows]


def name(path: Path) -> str:
    """Return a document's name for a test's id."""
    return str(path.relative_to(ROOT))


def tokens(path: Path) -> list[Token]:
    """Return a document's parts."""
    return _MARKDOWN.parse(path.read_text())


def spans(text: str) -> list[str]:
    """Return each text between backquotes."""
    return _SPAN.findall(text)


def plain(cell: str) -> str:
    """Return a cell without backquotes."""
    return cell.replace("`", "")


def fences(path: Path, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return [token.content for token in tokens(path) if token.type == "fence" and token.info == language]


def code(path: Path) -> Iterator[str]:
    """Yield each piece of code: spans, and lines of shell blocks with continued lines joined."""
    for token in tokens(path):
        if token.type == "inline":
            yield from (child.content for child in token.children or [] if child.type == "code_inline")
        elif token.type == "fence" and token.info in {"sh", "console"}:
            yield from token.content.replace("\\\n", " ").splitlines()


def links(path: Path) -> list[str]:
    """Return where links lead."""
    children = [child for token in tokens(path) if token.type == "inline" for child in token.children or []]
    return [str(child.attrs["href"]) for child in children if child.type == "link_open"]


def headings(path: Path) -> list[str]:
    """Return the headings' texts."""
    parts = tokens(path)
    return [parts[index + 1].content for index, token in enumerate(parts) if token.type == "heading_open"]


def tables(path: Path) -> list[Table]:
    """Return every table of a document."""
    found: list[Table] = []
    heading, row = "", list[str]()
    parts = tokens(path)
    for index, token in enumerate(parts):
        if token.type == "heading_open":
            heading = parts[index + 1].content
        elif token.type == "table_open":
            found.append(Table(heading, [], []))
        elif token.type == "tr_open":
            row = []
        elif token.type in {"th_open", "td_open"}:
            row.append(parts[index + 1].content)
        elif token.type == "tr_close":
            table = found[-1]
            table.rows.append(row) if table.header else table.header.extend(row)
    return found


def table(path: Path, heading: str, first: str) -> Table:
    """Return the table under a heading whose first column has that name."""
    (match,) = (item for item in tables(path) if item.heading == heading and item.header[0] == first)
    return match
