"""The table at the end of `make unit`, `make test` and `make prove`: each part, whether it ran and why not, seconds, figure."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nexusctl.console import out

UNCHANGED = "nothing that it depends on has changed since it passed"


@dataclass(frozen=True)
class Part:
    """One part of a run. `reason` is why it was skipped as a whole; `figure` is what it measured."""

    name: str
    seconds: float = 0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reason: str = ""
    figure: str = ""

    @property
    def outcome(self) -> str:
        """What came of it, in words."""
        if self.reason:
            return f"skipped: {self.reason}"
        counts = {"failed": self.failed, "passed": self.passed, "skipped": self.skipped}
        return ", ".join(f"{number} {kind}" for kind, number in counts.items() if number) or "no tests"


def write(path: Path, parts: Iterable[Part]) -> None:
    """Write parts to a file, for the process that prints them."""
    path.write_text(json.dumps([asdict(part) for part in parts]))


def read(path: Path) -> list[Part]:
    """Return the parts of a file."""
    return [Part(**entries) for entries in json.loads(path.read_text())]


def show(title: str, parts: Sequence[Part], seconds: float) -> bool:
    """Print the table and, as the last line, the counts and the seconds of it all; return whether nothing failed."""
    rows = [(part.name, f"{part.seconds:.1f}", part.outcome, part.figure) for part in parts]
    _print([(title, "seconds", "outcome", "figure"), *rows])
    failed = sum(part.failed for part in parts)
    passed, skipped = sum(part.passed for part in parts), sum(part.skipped for part in parts)
    out.print(f"{passed} passed, {failed} failed, {skipped} skipped in {seconds:.1f} s", markup=False)
    return failed == 0


def _print(rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Print rows in columns, one line each however long: logs have no width."""
    name, seconds, outcome, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    for row in rows:
        line = f"{row[0]:<{name}}  {row[1]:>{seconds}}  {row[2]:<{outcome}}  {row[3]}"
        out.print(line.rstrip(), markup=False, soft_wrap=True)
