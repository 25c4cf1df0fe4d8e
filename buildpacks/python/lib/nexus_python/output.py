"""What the buildpack says while it works."""

import sys

INDENT = "  "


def say(text: str, *, depth: int = 1) -> None:
    """Write one line to standard output, indented by `depth` steps.

    Flushed at once, so that lines keep their place among those of the programs the buildpack starts.
    """
    sys.stdout.write(f"{INDENT * depth}{text}\n")
    sys.stdout.flush()


def count(number: int, noun: str) -> str:
    """Return `number` with its noun, in the plural where English wants it: `1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
