"""Texts as they are classified."""

import hashlib
import unicodedata

MAX_TEXT = 10_000
"""Characters of one text."""

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def normalise(text: str) -> str:
    """The text in compatibility form (Unicode NFKC), without invisible characters, with single spaces."""
    visible = (" " if character.isspace() else character for character in text if _is_visible(character))
    return " ".join(unicodedata.normalize("NFKC", "".join(visible)).split())


def _is_visible(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) not in _INVISIBLE


def storable(text: str) -> str:
    """The text as PostgreSQL can keep it: without NUL."""
    return text.replace("\0", "")


def text_key(text: str) -> bytes:
    """A digest that normalised texts have in common which differ in upper and lower case alone."""
    return hashlib.sha256(storable(text).casefold().encode()).digest()


def has_content(text: str) -> bool:
    """Whether there is a letter or a digit in the text."""
    return any(character.isalnum() for character in text)
