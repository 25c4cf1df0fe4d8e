"""Parts of a table: cut, packed for the database, and classified, each text once."""

import hashlib
import json
import zlib
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from classification_service.jobs.models import (
    Cell,
    Classify,
    ColumnMapping,
    JobOptions,
    Layout,
    Outcome,
    Product,
    Purpose,
    Row,
)
from classification_service.jobs.tables.header import resolve
from classification_service.jobs.tables.json_lines import parse

CHUNK_ROWS = 1000
"""Rows of a chunk: a second or two of work, which is lost where a process is killed."""

CHUNK_CHARACTERS = 2 * 1024 * 1024
"""Characters after which a chunk ends before it has so many rows."""

REQUEST_PRODUCTS = 64
"""Products that are classified together: the event loop and the processor are free for other requests after them."""

_LEVEL = 1  # of compression: a third of the size for a few milliseconds

type Digest = bytes


def cut(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows in chunks."""
    chunk: list[Row] = []
    left = CHUNK_CHARACTERS
    for row in rows:
        chunk.append(row)
        left -= len(row.source) + sum(len(cell) for cell in row.cells if isinstance(cell, str))
        if left <= 0 or len(chunk) == CHUNK_ROWS:
            yield chunk
            chunk, left = [], CHUNK_CHARACTERS
    if chunk:
        yield chunk


def pack_rows(rows: Sequence[Row]) -> bytes:
    """Rows as they are kept."""
    return _packed([[row.number, row.fault, row.source or row.cells] for row in rows])


def unpack_rows(content: bytes) -> list[Row]:
    """The rows that were packed."""
    return [
        Row(number, [] if isinstance(what, str) else what, what if isinstance(what, str) else "", fault)
        for number, fault, what in _unpacked(content)
    ]


def pack_outcomes(outcomes: Sequence[Outcome]) -> bytes:
    """Outcomes as they are kept."""
    return _packed([outcome.members for outcome in outcomes])


def unpack_outcomes(content: bytes) -> list[Outcome]:
    """The outcomes that were packed."""
    return [Outcome(*values) for values in _unpacked(content)]


def _packed(value: object) -> bytes:
    return zlib.compress(json.dumps(value, separators=(",", ":")).encode(), _LEVEL)


def _unpacked(content: bytes) -> list[Any]:
    found: list[Any] = json.loads(zlib.decompress(content))
    return found


@dataclass(frozen=True, slots=True)
class Questions:
    """What is to be classified of some rows: `products` by their digests, and for each row its digest or its outcome."""

    products: dict[Digest, Product]
    places: list[Digest | Outcome]

    def answered(self, answers: Mapping[Digest, Outcome]) -> list[Outcome]:
        """An outcome for each row."""
        return [place if isinstance(place, Outcome) else answers[place] for place in self.places]

    def without(self, known: Mapping[Digest, Outcome]) -> dict[Digest, Product]:
        """The products whose answers are not known."""
        return {digest: product for digest, product in self.products.items() if digest not in known}


def questions(rows: Sequence[Row], layout: Layout, mapping: ColumnMapping) -> Questions:
    """What is to be classified of the rows; equal products are one question."""
    columns = ColumnMapping(
        [resolve(layout.columns, name) for name in mapping.text],
        [resolve(layout.columns, name) for name in mapping.attributes],
    )
    products: dict[Digest, Product] = {}
    places: list[Digest | Outcome] = []
    for row in rows:
        try:
            product = _product(_values(row, layout), columns)
        except ValueError as error:
            places.append(Outcome(error=str(error)))
        else:
            digest = _digest(product)
            products[digest] = product
            places.append(digest)
    return Questions(products, places)


def _values(row: Row, layout: Layout) -> Mapping[str, Any]:
    """The values of a row by the names of their columns; raises ValueError for a row with a fault."""
    if row.fault:
        raise ValueError(row.fault)
    return parse(row.source) if row.source else dict(zip(layout.columns, row.cells, strict=False))


def _product(values: Mapping[str, Any], columns: ColumnMapping) -> Product:
    texts = [str(_scalar(values, name)).strip() for name in columns.text]
    if not (text := " ".join(filter(None, texts))):
        raise ValueError("the text is empty")
    attributes = {name: cell for name in columns.attributes if (cell := _scalar(values, name)) != ""}
    return Product(text, attributes)


def _scalar(values: Mapping[str, Any], name: str) -> Cell:
    """The value of a column; empty where there is none."""
    match values.get(name):
        case None:
            return ""
        case str() | bool() | int() | float() as cell:
            return cell
        case other:
            raise ValueError(f"the column {name!r} holds {type(other).__name__}, not a text")


def _digest(product: Product) -> Digest:
    content = json.dumps([product.text, product.attributes], separators=(",", ":"))
    return hashlib.blake2b(content.encode(), digest_size=16).digest()


async def ask(
    classify: Classify, options: JobOptions, purpose: Purpose, products: Mapping[Digest, Product]
) -> AsyncGenerator[dict[Digest, Outcome]]:
    """The outcomes of products, in portions of about the same length."""
    ordered = sorted(products, key=lambda digest: len(products[digest].text))
    for start in range(0, len(ordered), REQUEST_PRODUCTS):
        digests = ordered[start : start + REQUEST_PRODUCTS]
        answers = await classify(options, purpose, [products[digest] for digest in digests])
        yield dict(zip(digests, answers, strict=True))
