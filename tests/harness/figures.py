"""Figures that tests measure, printed as a table at the end of the log. A time never fails a test."""

from dataclasses import dataclass, field

import pytest


@dataclass
class Figures:
    """What was measured in this run, in the order of measuring."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, what: str, asked: str, measured: str) -> None:
        """Remember one figure: what it is, what is asked for, what came out."""
        self.rows.append((what, asked, measured))

    def print(self, terminal: pytest.TerminalReporter) -> None:
        """Print all figures."""
        if not self.rows:
            return
        rows = [("figure", "asked", "measured"), *self.rows]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        terminal.section("figures")
        for row in rows:
            terminal.line("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


FIGURES = pytest.StashKey[Figures]()
