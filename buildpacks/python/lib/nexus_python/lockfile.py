"""The lock: a requirements.txt whose every line is pinned and carries hashes."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nexus_python import errors
from nexus_python.textfile import read_text

_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_PINNED = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*==\s*(?P<version>[A-Za-z0-9._+!-]+)"
    r"\s*(?:;.*?)?(?:\s+--hash=sha256:[0-9a-f]{64})+"
)
# How uv, pip-compile and a plain remark say for which Python a lock was made.
_HEADER_PYTHON = re.compile(r"python(?:-version)?[ =]v?(\d+)\.(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Lock:
    """One lock file.

    Attributes:
        path: where it lies.
        requirements: the distributions it pins, `(name, version)`, in its order.
        sha256: of the file's bytes, in hexadecimal digits.
    """

    path: Path
    requirements: tuple[tuple[str, str], ...]
    sha256: str


def read_lock(path: Path, python: tuple[int, int]) -> Lock:
    """Read the lock at `path` and check that it can be installed as it stands on Python `python` (major, minor).

    Raises:
        BuildError: a line is not pinned and hashed, is an option of pip, the header names another Python, or the file isn't UTF-8.
    """
    text = read_text(path)
    _check_header(path, text, python)
    requirements = tuple(_parse_requirement(path, number, line) for number, line in _logical_lines(text))
    return Lock(path, requirements, hashlib.sha256(path.read_bytes()).hexdigest())


def _check_header(path: Path, text: str, python: tuple[int, int]) -> None:
    for line in text.splitlines():
        if not line.startswith("#"):
            return
        match = _HEADER_PYTHON.search(line)
        if match and (int(match[1]), int(match[2])) != python:
            raise errors.lock_for_another_python(path.name, line, python)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield `(line number, text)` of each requirement or option, continuation lines joined, comments removed."""
    start, parts = 0, list[str]()
    for number, physical in enumerate(text.splitlines(), start=1):
        line = _COMMENT.sub("", physical).strip()
        if not parts:
            start = number
        parts.append(line.removesuffix("\\").strip())
        if line.endswith("\\"):
            continue
        if joined := " ".join(parts).strip():
            yield start, joined
        parts = []
    if joined := " ".join(parts).strip():
        yield start, joined


def _parse_requirement(path: Path, number: int, line: str) -> tuple[str, str]:
    if line.startswith("-"):
        raise errors.option_in_lock(path.name, number, line)
    match = _PINNED.fullmatch(line)
    if match is None:
        raise errors.unhashed_lock_line(path.name, number, line, _what_is_wrong(line))
    return match["name"], match["version"]


def _what_is_wrong(line: str) -> str:
    requirement = line.partition(" --hash")[0]
    if "@" in requirement:
        return "it points at an address, which a build without a network cannot fetch"
    if "==" not in requirement:
        return "it is not pinned to one version with =="
    if "--hash=sha256:" not in line:
        return "it carries no --hash=sha256:..."
    return "it is not of the form name==version --hash=sha256:..."
