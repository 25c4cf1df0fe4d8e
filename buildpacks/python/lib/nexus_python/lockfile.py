"""The lock: a requirements.txt whose every line is pinned and carries hashes.

Lines, markers and versions are read by the rules of pip, so that what is checked here is what pip installs.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from pip._vendor.packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from pip._vendor.packaging.requirements import InvalidRequirement, Requirement

from nexus_python import lock_errors
from nexus_python.lock_header import contradiction
from nexus_python.lock_lines import LogicalLine, logical_lines
from nexus_python.textfile import read_text

# pip decodes a file by such a declaration in its first two lines, https://peps.python.org/pep-0263/
_CODING = re.compile(rb"#[^\n]*?coding[:=]\s*([-\w.]+)")
_UTF8 = {"ascii", "us-ascii", "utf-8", "utf8"}
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_HASH = re.compile(r"--hash=(sha256|sha384|sha512):(.*)")
_FORM = "it is not of the form name==version --hash=sha256:..."


class _LineError(ValueError):
    """A line cannot be installed safely; the text is the reason."""


@dataclass(frozen=True)
class Lock:
    """One lock file.

    Attributes:
        path: of the file.
        requirements: the distributions it pins, `(name, version)`, in its order.
        applicable: those of them whose environment marker holds for this Python and platform.
        sha256: of the file's bytes, in hexadecimal digits.
    """

    path: Path
    requirements: tuple[tuple[str, str], ...]
    applicable: tuple[tuple[str, str], ...]
    sha256: str


def read_lock(path: Path, python: tuple[int, int]) -> Lock:
    """Read the lock at `path` and check that it can be installed as it stands on Python `python` (major, minor).

    Raises:
        BuildError: a line is not pinned and hashed, is an option of pip, the header names another Python, or the file isn't UTF-8.
    """
    text = read_text(path)
    _check_coding(path)
    if header := contradiction(text, python):
        raise lock_errors.lock_for_another_python(path.name, header, python)
    pins = [_parse_line(path, line) for line in logical_lines(text)]
    return Lock(
        path,
        requirements=tuple(pin for pin, _ in pins),
        applicable=tuple(pin for pin, applies in pins if applies),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def _check_coding(path: Path) -> None:
    for line in path.read_bytes().split(b"\n")[:2]:
        declared = _CODING.match(line)
        if declared and (name := declared[1].decode("ascii")).lower().replace("_", "-") not in _UTF8:
            raise lock_errors.coding_in_lock(path.name, name)


def _parse_line(path: Path, line: LogicalLine) -> tuple[tuple[str, str], bool]:
    """Return name and version that a line pins, and whether its marker holds."""
    if line.swallowing:
        reason = "its comment ends in a backslash, which makes the next line a part of the comment"
        raise lock_errors.unhashed_lock_line(path.name, line.swallowing, line.text, reason)
    if line.text.startswith("-"):
        raise lock_errors.option_in_lock(path.name, line.number, line.text)
    try:
        return _parse_text(line.text)
    except _LineError as error:
        raise lock_errors.unhashed_lock_line(path.name, line.number, line.text, str(error)) from error


def _parse_text(text: str) -> tuple[tuple[str, str], bool]:
    if text.endswith("\\"):
        raise _LineError("a blank follows the backslash at its end, so the line ends there")
    if variable := _VARIABLE.search(text):
        raise _LineError(f"pip replaces {variable.group()} in it by an environment variable of the build")
    # As pip does it: options begin at the first word that a space separates and that starts with a dash.
    text, dash, options = f"{text} ".partition(" -")
    requirement = _parse_requirement(text.strip(" "))
    _check_options(f"{dash}{options}".strip())
    (specifier,) = requirement.specifier
    return (requirement.name, specifier.version), _holds(requirement.marker)


def _parse_requirement(text: str) -> Requirement:
    """Return a requirement that is pinned to one version."""
    pin, semicolon, _ = text.partition(";")
    if "@" in pin or "://" in pin:
        raise _LineError("it points at an address, which a build without a network cannot fetch")
    if "==" not in pin:
        raise _LineError("it is not pinned to one version with ==")
    if re.search(r"[^\S ]-", text):
        raise _LineError("a tab or a no-break space precedes a dash, where pip expects a space")
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise _LineError(_invalid_marker(text) if semicolon and _is_pinned(pin) else _FORM) from error
    if not _is_pinned(pin):
        raise _LineError(_FORM)
    return requirement


def _is_pinned(text: str) -> bool:
    try:
        specifiers = list(Requirement(text).specifier)
    except InvalidRequirement:
        return False
    return len(specifiers) == 1 and specifiers[0].operator == "==" and not specifiers[0].version.endswith(".*")


def _check_options(options: str) -> None:
    words = re.split(r"[ \t]+", options) if options else []
    if not any(_HASH.match(word) for word in words):
        raise _LineError("it carries no --hash=sha256:...")
    for word in words:
        if reason := _fault_of_option(word):
            raise _LineError(reason)


def _fault_of_option(word: str) -> str:
    """Return what is wrong with a word after the requirement, or ""."""
    if match := _HASH.fullmatch(word):
        digits = _DIGITS[match[1]]
        complete = re.fullmatch(rf"[0-9A-Fa-f]{{{digits}}}", match[2])
        return "" if complete else f"`{word}` does not hold {digits} hexadecimal digits"
    if word.startswith("--hash"):
        return f"`{word}` is not of the form --hash=sha256:..., --hash=sha384:... or --hash=sha512:..."
    if word.startswith("-"):
        return f"`{word}` is an option of pip, and only --hash may follow a requirement"
    return f"`{word}` appears between or after its hashes; check the backslashes at the ends of its lines"


def _holds(marker: Marker | None) -> bool:
    if marker is None:
        return True
    try:
        return marker.evaluate({"extra": ""})
    except (UndefinedComparison, UndefinedEnvironmentName, KeyError) as error:
        raise _LineError(_invalid_marker(f";{marker}")) from error


def _invalid_marker(text: str) -> str:
    return f"`{text.partition(';')[2].strip()}` is not an environment marker"
