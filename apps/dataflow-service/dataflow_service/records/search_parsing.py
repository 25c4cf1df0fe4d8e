"""What people type to search rows. All texts are allowed, up to a length: none of them is a mistake."""

import re

from dataflow_service.records.query import SearchText
from dataflow_service.registry.json_values import check_text
from dataflow_service.registry.model import Model

MAX_LENGTH = 200
"""Characters of a search."""

MAX_WORDS = 10
"""Words of a search: each is looked for in each field."""


def parse_search(model: Model, value: object) -> SearchText:
    """Return what is searched for.

    Raises:
        ValueError: The model has no search, or the value is none; the text continues a sentence about the value.
    """
    if model.search is None:
        raise ValueError(f"is not offered: {model.name} declares no __search__; use a filter with $ilike")
    if not isinstance(value, str):
        raise ValueError("should be a string")  # noqa: TRY004 - all faults are ValueErrors
    if len(value) > MAX_LENGTH:
        raise ValueError(f"has {len(value)} characters; a search has at most {MAX_LENGTH}")
    check_text(value)
    words = [word for word in value.split() if any(map(str.isalnum, word))]
    if len(words) > MAX_WORDS:
        raise ValueError(f"has {len(words)} words; a search has at most {MAX_WORDS}")
    return SearchText(value, () if _is_of_full_text(value, words) else tuple(words))


def _is_of_full_text(text: str, words: list[str]) -> bool:
    """Whether a text says more than words. Nothing but words to leave out are taken for what they are: `-840` is a code."""
    left_out = [word.startswith("-") for word in words]
    return '"' in text or "or" in map(str.lower, words) or (any(left_out) and not all(left_out))


def has_trigram(word: str) -> bool:
    """Whether an index of trigrams finds the texts that a word is in: it has three letters or digits side by side."""
    return re.search(r"[^\W_]{3}", word) is not None
