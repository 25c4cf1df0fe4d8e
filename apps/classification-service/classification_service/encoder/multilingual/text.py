"""Texts as the multilingual encoder gets them: in lower case, without quantities.

Measured on names of products: capitals, sizes and voltages move its vectors far from those of titles, which have none.
"""

import re

_UNITS = "mm cm m km g kg mg l ml µl cl v kv w kw kva kwh a ah mah hz khz mhz ghz ohm bar pa u/min rpm gb go tb mb % °c"
_QUANTITY = re.compile(
    rf"""
    (?<!\S)                                    # whole words
    \S*\d\S*                                   # one with a digit: 18V, M8x40, 6205-2RS
    (?:\s+(?:{"|".join(re.escape(unit) for unit in _UNITS.split())})(?=\s|[,;.]|$))?   # and its unit
    """,
    re.VERBOSE | re.IGNORECASE,
)


def plain(text: str) -> str:
    """The text in lower case without words that have digits, nor units after them; all of it where nothing else would be left."""
    words = " ".join(_QUANTITY.sub(" ", text).split())
    return (words if any(character.isalpha() for character in words) else text).lower()
