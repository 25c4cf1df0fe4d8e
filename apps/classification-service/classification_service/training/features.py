"""Hashed n-grams of product names."""

import unicodedata
import zlib
from collections.abc import Iterator
from itertools import pairwise

BUCKETS = 1 << 16
"""Rows of the embedding table that n-grams are hashed into."""
_CHARACTER_NGRAMS = (3, 4, 5)


def ngram_buckets(text: str) -> list[int]:
    """The bucket of each n-gram of a text; CRC-32 is the same on every machine."""
    return [zlib.crc32(ngram.encode()) % BUCKETS for ngram in _ngrams(normalised(text))]


def normalised(text: str) -> str:
    """The text in lower case, in compatibility form (Unicode NFKC), with single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


def _ngrams(text: str) -> Iterator[str]:
    words = text.split()
    yield from (f"w:{word}" for word in words)
    yield from (f"b:{left} {right}" for left, right in pairwise(words))
    for word in words:
        padded = f"<{word}>"
        for length in _CHARACTER_NGRAMS:
            yield from (f"c:{padded[start : start + length]}" for start in range(len(padded) - length + 1))
