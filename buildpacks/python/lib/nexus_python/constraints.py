"""Version constraints, as BP_CPYTHON_VERSION takes them.

The grammar is that of Paketo's CPython buildpack (Masterminds semver): alternatives separated by `||`, each a list of
comparisons that must all hold, separated by commas or spaces, or ranges (`3.11 - 3.13`). A version may be partial (`3.13`)
or hold wildcards (`3.13.*`, `3.x`). Pre-releases (`3.14.0-rc.1`) are left out, as no builder has one.
"""

import re

Version = tuple[int, int, int]

_VERSION = r"[0-9xX*]+(?:\.[0-9xX*]+){0,2}"
_COMPARISON = re.compile(rf"(?P<op>!=|>=|=>|<=|=<|~>|[=><~^]|)\s*v?(?P<version>{_VERSION})")
_RANGE = re.compile(rf"(?<![^\s,])v?({_VERSION})\s+-\s+v?({_VERSION})")
_PATCH = 2  # dots before it
_WILDCARDS = {"*", "x", "X"}


class InvalidConstraintError(ValueError):
    """The text is not a version constraint."""


def satisfies(version: Version, constraint: str) -> bool:
    """Say whether `version` meets `constraint`.

    Raises:
        InvalidConstraintError: `constraint` doesn't follow the grammar.
    """
    # All alternatives are read, so that a mistake after a matching one is not hidden.
    results = [_meets_all(version, alternative) for alternative in constraint.split("||")]
    return any(results)


def _meets_all(version: Version, alternative: str) -> bool:
    rest = _RANGE.sub(r">=\1 <=\2", alternative).strip()
    if not rest:
        raise InvalidConstraintError(alternative)
    results = []
    while rest:
        match = _COMPARISON.match(rest)
        if match is None:
            raise InvalidConstraintError(alternative)
        results.append(_compare(version, _operator(match), _parse_partial(match["version"])))
        after = rest[match.end() :]
        rest = after.lstrip(", ")
        if after == rest != "":
            raise InvalidConstraintError(alternative)
    return all(results)


def _operator(match: re.Match[str]) -> str:
    """Return the operator in its usual spelling."""
    if match["op"] == "~>":
        # As in Ruby the last number may grow: with `~>3.12` the minor version.
        return "~" if match["version"].count(".") == _PATCH else "^"
    return {"=>": ">=", "=<": "<="}.get(match["op"], match["op"])


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
    # With ^ the minor version may grow; with ~ the patch may, or the minor too where only the major is given.
    caret = head >= partial and version[:1] == partial[:1]
    tilde = head >= partial and version[: min(len(partial), 2)] == partial[:2]
    results = {"!=": head != partial, ">": head > partial, "<": head < partial, ">=": head >= partial}
    results |= {"<=": head <= partial, "^": caret, "~": tilde}
    return results.get(op, head == partial)
