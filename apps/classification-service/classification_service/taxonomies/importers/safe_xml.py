"""XML as a stream of elements: no document type, hence no entities and nothing fetched, and memory for one element.

The standard library's own parsers expand entities that a file defines, and build what they read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, override
from xml.parsers import expat

from classification_service.taxonomies.importers.errors import fault

_CHUNK = 64 * 1024
_MAX_DEPTH = 32
MAX_ELEMENT_BYTES = 4 * 1024 * 1024
"""Bytes of one element that is yielded; the largest class of ETIM has some 100 KB."""


@dataclass(slots=True)
class Element:
    """An element: its name without namespace, and those inside it. `line` is where it begins."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: "list[Element]" = field(default_factory=list)
    text: str = ""

    def find(self, *path: str) -> "Element | None":
        """The first element at a path below this one."""
        found: Element | None = self
        for tag in path:
            if found is None:
                break
            found = next((child for child in found.children if child.tag == tag), None)
        return found

    def all(self, *path: str) -> "list[Element]":
        """All elements of the last name in `path`, below the first ones of the names before it."""
        above = self.find(*path[:-1])
        return [] if above is None else [child for child in above.children if child.tag == path[-1]]

    def text_at(self, *path: str) -> str:
        """The text of the element at a path, without white space at its ends; empty where there is none."""
        found = self.find(*path)
        return "" if found is None else found.text.strip()


class SafeParser:
    """An expat parser that refuses document types; `name` is what errors call the file. Subclasses handle the elements."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._fed = 0
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins; `name` is its namespace, a space and its own name."""
        raise NotImplementedError

    def end(self, name: str) -> None:
        """An element ends."""
        raise NotImplementedError

    def text(self, text: str) -> None:
        """Text between two of the others."""
        raise NotImplementedError

    def place(self) -> str:
        """Where the parser is."""
        return f"{self.name}, line {self.parser.CurrentLineNumber}"

    def _refuse_doctype(self, *_: object) -> None:
        raise fault(self.place(), "it has a document type (DOCTYPE), which official files do not have. Remove it")

    def feed(self, chunk: bytes) -> None:
        """Parse the next bytes; none of them ends the file. Raises TaxonomyFileError."""
        try:
            self.parser.Parse(chunk, not chunk)
        except expat.ExpatError as error:
            place = f"{self.name}, line {error.lineno}"
            raise fault(place, f"it is not valid XML: {expat.ErrorString(error.code)}") from None
        except (LookupError, ValueError) as error:
            raise fault(self.name, f"its encoding is not readable: {error}. Save it as UTF-8") from None
        self._fed += len(chunk)
        if self._fed - self.parser.CurrentByteIndex > MAX_ELEMENT_BYTES:  # which expat holds until it ends
            raise fault(self.place(), f"one tag has more than {MAX_ELEMENT_BYTES // 1024**2} MiB")


def chunks(stream: BinaryIO) -> Iterator[bytes]:
    """The bytes of a stream in parts for `SafeParser.feed`, the last one empty."""
    while chunk := stream.read(_CHUNK):
        yield chunk
    yield b""


class _Builder(SafeParser):
    """Collects the elements at `depth`, the root's being 0, each when it ends."""

    def __init__(self, name: str, depth: int) -> None:
        super().__init__(name)
        self.depth = depth
        self.above: list[str] = []
        self.open: list[Element] = []
        self.done: list[tuple[tuple[str, ...], Element]] = []
        self.started = 0

    @override
    def start(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition(" ")[2]
        if not self.open and len(self.above) < self.depth:
            self.above.append(tag)
            return
        element = Element(tag, attributes, self.parser.CurrentLineNumber)
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.started = self.parser.CurrentByteIndex
        self.open.append(element)
        if len(self.open) > _MAX_DEPTH:
            raise fault(self.place(), f"elements are nested deeper than {_MAX_DEPTH}")

    @override
    def end(self, name: str) -> None:
        if not self.open:
            self.above.pop()
            return
        element = self.open.pop()
        if not self.open:
            self.done.append((tuple(self.above), element))

    @override
    def text(self, text: str) -> None:
        if self.open:
            self.open[-1].text += text

    @override
    def feed(self, chunk: bytes) -> None:
        super().feed(chunk)
        if self.open and self.parser.CurrentByteIndex - self.started > MAX_ELEMENT_BYTES:
            detail = f"the element {self.open[0].tag} has more than {MAX_ELEMENT_BYTES // 1024**2} MiB"
            raise fault(f"{self.name}, line {self.open[0].line}", detail)


def elements(stream: BinaryIO, name: str, depth: int) -> Iterator[tuple[tuple[str, ...], Element]]:
    """Each element at `depth`, the root's being 0, after the names of those around it; raises TaxonomyFileError.

    `name` is what errors call the file.
    """
    builder = _Builder(name, depth)
    for chunk in chunks(stream):
        builder.feed(chunk)
        yield from builder.done
        builder.done.clear()
