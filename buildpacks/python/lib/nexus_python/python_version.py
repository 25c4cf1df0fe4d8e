"""Which Python the application asks for, and whether this one is it."""

import platform
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pip._vendor.packaging.specifiers import InvalidSpecifier, SpecifierSet

from nexus_python import errors
from nexus_python.constraints import InvalidConstraintError, satisfies
from nexus_python.textfile import read_text

_DEFAULT = "default"  # how Paketo's buildpack spells "any"
_SYSTEM = "system"  # how pyenv spells it
_IMPLEMENTATION = re.compile(r"^(?:c?python[-@ ]?)?v?(?=[0-9<>=~^!])", re.IGNORECASE)


def check_constraint(constraint: str) -> None:
    """Check the value of BP_CPYTHON_VERSION; "" and `default` mean any.

    Raises:
        BuildError: it is not a constraint, or this Python doesn't meet it.
    """
    if constraint in {"", _DEFAULT}:
        return
    try:
        satisfied = satisfies(sys.version_info[:3], constraint)
    except InvalidConstraintError as error:
        raise errors.invalid_constraint(constraint) from error
    if not satisfied:
        raise errors.wrong_python(constraint, platform.python_version())


def check_files(app: Path) -> None:
    """Check the files of the application that tools read to choose a Python.

    Raises:
        BuildError: one asks for another Python than this, or cannot be understood.
    """
    for name in (".python-version", "runtime.txt"):
        if (app / name).is_file() and (wanted := _first_line(app / name)) and not _is_named(wanted):
            raise errors.python_of_file(name, "", wanted, platform.python_version())
    for name, demands in (("pyproject.toml", _pyproject), ("Pipfile", _pipfile)):
        if (app / name).is_file():
            _check_demands(name, demands(app / name))


def _first_line(path: Path) -> str:
    """Return the first line that is neither blank nor a comment, or ""."""
    lines = (line.partition("#")[0].strip() for line in read_text(path).splitlines())
    return next(filter(None, lines), "")


def _check_demands(name: str, demands: Iterator[tuple[str, str, bool]]) -> None:
    for place, wanted, met in demands:
        if not met:
            raise errors.python_of_file(name, f"{place} = ", wanted, platform.python_version())


def _pyproject(path: Path) -> Iterator[tuple[str, str, bool]]:
    """Yield each demand: its place, its text, and whether this Python meets it."""
    tables = _read_toml(path)
    if wanted := _string(path, tables, "project", "requires-python"):
        try:
            yield "requires-python", wanted, SpecifierSet(wanted).contains(platform.python_version(), prereleases=True)
        except InvalidSpecifier as error:
            raise errors.unreadable_file(path.name, f"requires-python = {wanted}") from error
    if wanted := _string(path, tables, "tool", "poetry", "dependencies", "python"):
        yield "tool.poetry.dependencies.python", wanted, _is_named(wanted)


def _pipfile(path: Path) -> Iterator[tuple[str, str, bool]]:
    tables = _read_toml(path)
    for key in ("python_version", "python_full_version"):
        if wanted := _string(path, tables, "requires", key):
            yield key, wanted, _is_named(wanted)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise errors.unreadable_file(path.name, str(error)) from error


def _string(path: Path, tables: dict[str, Any], *keys: str) -> str:
    """Return the text at `keys`, "" if there is none."""
    value: object = tables
    for key in keys:
        value = value.get(key, "") if isinstance(value, dict) else ""
    if not isinstance(value, str):
        raise errors.unreadable_file(path.name, f"{keys[-1]} is {value!r}, not a string")
    return value.strip()


def _is_named(wanted: str) -> bool:
    """Say whether a version or constraint, as version managers write it, means this Python."""
    wanted = _IMPLEMENTATION.sub("", wanted)
    try:
        return wanted == _SYSTEM or satisfies(sys.version_info[:3], wanted)
    except InvalidConstraintError:
        pass
    try:
        return SpecifierSet(wanted).contains(platform.python_version(), prereleases=True)
    except InvalidSpecifier:
        return False  # another implementation or build of Python, or nothing that can be understood
