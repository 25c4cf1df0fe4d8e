"""Texts that go wrong where data is taken for something else."""

import json
import unicodedata
from pathlib import Path

_LIST: list[str] = json.loads(
    (Path(__file__).parent / "records" / "fixtures" / "naughty-strings" / "blns.json").read_text(encoding="utf-8")
)
_CODE = [
    *(
        "1e-400",
        "9223372036854775808",
        "${price}",
        "${7*7}",
        "{{7*7}}",
        "#{7*7}",
        "${jndi:ldap://x}",
        "{column}",
        ":id",
    ),
    *('name" IS NOT NULL OR "name', "$$; DROP TABLE products; $$", "\\'; DROP TABLE products; --", "U&'\\0027'"),
    *(
        "=cmd|' /C calc'!A0",
        "@SUM(1+1)",
        "*)(uid=*))(|(uid=*",
        '{"$gt": ""}',
        '"},{"name":"x',
        "\\u0000",
        "&#0;",
        "%00",
    ),
    "x" * 10_000,
    *("a\x01b", "\ufeffx", "x\ufeff"),
]
_BIDI = [f"a{mark}b{mark}" for mark in "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c"]
_FORMATS = [chr(code) for code in range(0x11_0000) if unicodedata.category(chr(code)) == "Cf"]
_CONTROLS = [*map(chr, range(1, 32)), *map(chr, range(0x7F, 0xA0))]
_SPACES = [chr(code) for code in range(0x11_0000) if unicodedata.category(chr(code)) in {"Zs", "Zl", "Zp"}]
_LIMITS = [*map(chr, (0xD7FF, 0xE000, 0xFDD0, 0xFEFF, 0xFFFC, 0xFFFD, 0xFFFE, 0xFFFF, 0x1_0000, 0x1_FFFF, 0x10_FFFF))]
_ZALGO = [
    "".join(letter + "".join(map(chr, range(0x300, 0x300 + many))) for letter in "naughty") for many in (1, 8, 64)
]


NAUGHTY = list(dict.fromkeys([*_LIST, *_CODE, *_BIDI, *_FORMATS, *_CONTROLS, *_SPACES, *_LIMITS, *_ZALGO]))
"""The Big List of Naughty Strings and others, each once. None has U+0000, which PostgreSQL cannot store."""
