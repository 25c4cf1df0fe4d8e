"""Reads a page as a browser would, and refuses one whose elements are not closed as they were opened."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING, override

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Iterator

_EMPTY = {"meta", "link", "br", "input"}


@dataclass
class Element:
    """An element: its attributes, and the elements and texts in it."""

    tag: str
    attributes: dict[str, str | None] = field(default_factory=dict)
    children: list["Element | str"] = field(default_factory=list)

    @property
    def raw_text(self) -> str:
        """All texts in it as they stand."""
        return "".join(child if isinstance(child, str) else child.raw_text for child in self.children)

    @property
    def text(self) -> str:
        """All texts in it, with one space between words."""
        return " ".join(self.raw_text.split())

    def every(self, tag: str) -> "Iterator[Element]":
        """The elements with a tag at any depth, in the order of the page."""
        for child in self.children:
            if isinstance(child, Element):
                if child.tag == tag:
                    yield child
                yield from child.every(tag)

    def one(self, tag: str) -> "Element":
        """The only element with a tag."""
        (found,) = self.every(tag)
        return found

    def section(self, heading: str) -> "Element":
        """The section with a heading."""
        return next(found for found in self.every("section") if next(found.every("h2")).text == heading)

    def table(self) -> list[list[str]]:
        """The texts of the only table in it, row by row."""
        return [
            [cell.text for cell in row.children if isinstance(cell, Element)] for row in self.one("table").every("tr")
        ]

    def links(self) -> dict[str, str]:
        """The addresses of the links in it, by their texts."""
        return {
            str(link.attributes.get("aria-label", link.text)): str(link.attributes["href"]) for link in self.every("a")
        }


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.path = [Element("document")]

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.path[-1].children.append(element)
        if tag not in _EMPTY:
            self.path.append(element)

    @override
    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.path[-1].children.append(Element(tag, dict(attrs)))

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self.path.pop().tag == tag

    @override
    def handle_data(self, data: str) -> None:
        self.path[-1].children.append(data)


def read(text: str) -> Element:
    """The document of a page."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    (document,) = reader.path
    return document


async def open_page(client: aiohttp.ClientSession, path: str, status: int = 200) -> Element:
    """The document of a page with this status."""
    async with client.get(path) as response:
        assert (response.status, response.content_type) == (status, "text/html")
        return read(await response.text())
