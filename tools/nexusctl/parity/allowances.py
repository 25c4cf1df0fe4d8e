"""The allow list: intended differences, each with its reason. Format: docs/concepts/parity.md."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from nexusctl.errors import NexusError
from nexusctl.parity.facts import Difference, Facts
from nexusctl.workspace import ROOT

FILE = ROOT / "tests" / "packaging" / "parity-allow.toml"
_ENTRIES = {"same": {"left", "right", "reason"}, "allow": {"point", "key", "reason"}}
_OPTIONAL = {"same": {"only"}, "allow": {"only", "side"}}
_SIDES = {"left", "right", ""}
_EVERY_IMAGE = "*"


@dataclass(frozen=True)
class Same:
    """A path of the left image that corresponds to `right` in the right image."""

    left: str
    right: str
    reason: str
    only: str = _EVERY_IMAGE

    def rename(self, text: str) -> str:
        """Return `text` with the path replaced by its name in the right image."""
        return re.sub(rf"{re.escape(self.left)}(?![\w.-])", self.right, text)


@dataclass(frozen=True)
class Allowance:
    """An intended difference: `key` is a glob over the keys of `point`, `only` one over left images' names.

    With a `side`, the key may be in the image of that side alone.
    """

    point: str
    key: str
    reason: str
    only: str = _EVERY_IMAGE
    side: str = ""

    def covers(self, point: str, difference: Difference) -> bool:
        """Return whether this entry allows the difference."""
        missing = {"left": difference.right, "right": difference.left}.get(self.side)
        return point == self.point and missing is None and fnmatchcase(difference.key, self.key)


@dataclass
class Allowances:
    """The list, which records which entries were used."""

    same: Sequence[Same] = ()
    allowed: Sequence[Allowance] = ()
    _asked: set[Same | Allowance] = field(default_factory=set)
    _used: set[Same | Allowance] = field(default_factory=set)

    def begin(self, left_image: str) -> "Allowances":
        """Return the list for one pair of images; entries used there are recorded in the whole list."""
        of_image = Allowances(
            [same for same in self.same if fnmatchcase(left_image, same.only)],
            [entry for entry in self.allowed if fnmatchcase(left_image, entry.only)],
            self._asked,
            self._used,
        )
        self._asked |= {*of_image.same, *of_image.allowed}
        return of_image

    def rename(self, facts: Facts) -> Facts:
        """Return the left image's facts with corresponding paths renamed as in the right image."""
        return {point: {self._rename(k): self._rename(v) for k, v in keys.items()} for point, keys in facts.items()}

    def judge(self, point: str, difference: Difference) -> Difference:
        """Return the difference, with its reason if it is allowed."""
        for entry in self.allowed:
            if entry.covers(point, difference):
                self._used.add(entry)
                return replace(difference, reason=entry.reason)
        return difference

    def stale(self) -> list[str]:
        """Return a line for each entry that was not used by the images it applies to."""
        return [_describe(entry) for entry in (*self.same, *self.allowed) if entry in self._asked - self._used]

    def _rename(self, text: str) -> str:
        for same in self.same:
            renamed = same.rename(text)
            if renamed != text:
                self._used.add(same)
            text = renamed
        return text


def load(path: Path = FILE) -> Allowances:
    """Read the list; raise NexusError if it is invalid."""
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise NexusError(f"{path.name} cannot be read", str(error), "fix the line that it names") from error
    for name in document:
        if name not in _ENTRIES:
            raise _malformed(path, f"[[{name}]]")
    return Allowances(
        [Same(**_checked(path, "same", entry)) for entry in document.get("same", [])],
        [Allowance(**_checked(path, "allow", entry)) for entry in document.get("allow", [])],
    )


def _checked(path: Path, kind: str, entry: Mapping[str, Any]) -> dict[str, str]:
    text = {key: value for key, value in entry.items() if isinstance(value, str) and value.strip()}
    known = text.keys() - _OPTIONAL[kind] == _ENTRIES[kind] and text.keys() == entry.keys()
    if not known or text.get("side", "") not in _SIDES:
        raise _malformed(path, f"[[{kind}]] with {', '.join(f'{key} = {value!r}' for key, value in entry.items())}")
    return text


def _malformed(path: Path, found: str) -> NexusError:
    return NexusError(
        f"{path.name} has an entry that is not understood",
        found,
        "write [[same]] with left, right and reason, or [[allow]] with point, key and reason, all of them text; "
        "docs/concepts/parity.md lists the optional keys",
    )


def _describe(entry: Same | Allowance) -> str:
    what = f"{entry.left} = {entry.right}" if isinstance(entry, Same) else f"{entry.point}: {entry.key}"
    return f"{what} ({entry.reason})"
