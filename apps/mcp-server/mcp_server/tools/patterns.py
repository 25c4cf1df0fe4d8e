"""Regular expressions of schemas, searched in linear time: whoever registers a tool, or calls it, cannot stop the server.

The engine is that of pydantic, in Rust. It knows neither look-around nor backreferences.
"""

import re
from collections.abc import Callable

from pydantic_core import SchemaError, SchemaValidator, core_schema

MAX_SEARCHED = 16_384
"""Characters of a string that an expression is searched in; a longer one matches none."""

MAX_SIZE = 2000
"""Places of an expression with its counted repetitions written out: each may cost a step for each character."""

_COUNTED = re.compile(r"(\))?\{(\d{1,9})(?:,(\d{0,9}))?\}")


class UnsupportedPatternError(ValueError):
    """An expression cannot be used here."""


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether a string has a match of `pattern` in it.

    Raises:
        UnsupportedPatternError: It is none, or needs look-around or backreferences.
    """
    try:
        validator = SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex", strict=True))
    except SchemaError as error:
        reason = str(error).strip().rpartition("\n")[2].strip().removeprefix("error: ")
        raise UnsupportedPatternError(f"the pattern {pattern!r:.200} is not supported: {reason}") from None
    return lambda text: len(text) <= MAX_SEARCHED and validator.isinstance_python(text)


def check_size(pattern: str) -> None:
    """Raise UnsupportedPatternError for an expression that may take long."""
    size, factor = len(pattern), 1
    for group, least, most in _COUNTED.findall(pattern):
        count = max(int(most or least), 1)
        size, factor = (size, factor * count) if group else (size + count, factor)
    if size * factor > MAX_SIZE:
        raise UnsupportedPatternError(
            f"the pattern {pattern!r:.200} has {size * factor} places with its repetitions; at most {MAX_SIZE} are allowed"
        )
