"""Version constraints, as BP_CPYTHON_VERSION takes them.

The grammar is that of Paketo's CPython buildpack (Masterminds semver): alternatives separated by `||`, each a list of
comparisons that must all hold, separated by commas or spaces. A version may be partial (`3.13`) or hold wildcards
(`3.13.*`, `3.x`).
"""

import re

Version = tuple[int, int, int]

_COMPARISON = re.compile(r"(?P<op>!=|>=|<=|~>|[=><~^]|)\s*v?(?P<version>[0-9xX*]+(?:\.[0-9xX*]+){0,2})")
_WILDCARDS = {"*", "x", "X"}


class InvalidConstraintError(ValueError):
    """The text is no version constraint."""


def satisfies(version: Version, constraint: str) -> bool:
    """Say whether `version` meets `constraint`.

    Raises:
        InvalidConstraintError: `constraint` doesn't follow the grammar.
    """
    # All alternatives are read, so that a mistake behind a matching one doesn't stay hidden.
    results = [_meets_all(version, alternative) for alternative in constraint.split("||")]
    return any(results)


def _meets_all(version: Version, alternative: str) -> bool:
    rest = alternative.strip()
    if not rest:
        raise InvalidConstraintError(alternative)
    results = []
    while rest:
        match = _COMPARISON.match(rest)
        if match is None:
            raise InvalidConstraintError(alternative)
        results.append(_compare(version, match["op"], _parse_partial(match["version"])))
        after = rest[match.end() :]
        rest = after.lstrip(", ")
        if after == rest != "":
            raise InvalidConstraintError(alternative)
    return all(results)


def _parse_partial(text: str) -> tuple[int, ...]:
    """Return the leading numbers of a version; a wildcard ends them."""
    numbers: list[int] = []
    for part in text.split("."):
        if part in _WILDCARDS:
            break
        if not part.isdecimal():
            raise InvalidConstraintError(text)
        numbers.append(int(part))
    return tuple(numbers)


def _compare(version: Version, op: str, partial: tuple[int, ...]) -> bool:
    head = version[: len(partial)]
    # With ^ the minor version may grow; with ~ the patch may, or the minor too where the major alone is given.
    caret = head >= partial and version[:1] == partial[:1]
    tilde = head >= partial and version[: min(len(partial), 2)] == partial[:2]
    results = {"!=": head != partial, ">": head > partial, "<": head < partial, ">=": head >= partial}
    results |= {"<=": head <= partial, "^": caret, "~": tilde, "~>": tilde}
    return results.get(op, head == partial)
