"""Figures that tests measure, printed as a table at the end. A promise that is missed by more than the noise fails."""

from dataclasses import dataclass, field

import pytest

NOISE = 3
"""How many times the promised figure a time may take before its test fails: machines differ, and are busy."""


@dataclass(frozen=True)
class Figure:
    """One figure: what was measured, what is promised (empty if nothing), what came out, and their ratio (1: just kept)."""

    what: str
    promise: str
    measured: str
    ratio: float = 0


@dataclass
class Figures:
    """What was measured in this run, in the order of measuring, by the file of the test."""

    rows: dict[str, list[Figure]] = field(default_factory=dict)
    part: str = ""

    def note(self, what: str, measured: str) -> None:
        """Record a figure that nothing is promised of."""
        self._add(Figure(what, "", measured))

    def seconds(self, what: str, measured: float, limit: float) -> None:
        """Record a time that is promised to be at most `limit`; fail if it is longer by more than the noise."""
        self.at_most(what, measured, limit, "s", noise=NOISE)

    def at_most(self, what: str, measured: float, limit: float, unit: str = "", *, noise: float = 1) -> None:
        """Record a figure; fail if it is above `noise` times its limit."""
        ratio = measured / limit if limit else float(measured > 0) * 2
        self._add(Figure(what, f"<= {limit:g} {unit}".rstrip(), f"{measured:.4g} {unit}".rstrip(), ratio))
        assert measured <= noise * limit, (
            f"{what}: {measured:.4g} {unit}, promised are {limit:g}, {noise:g} times that fail"
        )

    def at_least(self, what: str, measured: float, limit: float, unit: str = "") -> None:
        """Record a figure; fail if it is below its limit."""
        ratio = limit / measured if measured else float("inf")
        self._add(Figure(what, f">= {limit:.7g} {unit}".rstrip(), f"{measured:.7g} {unit}".rstrip(), ratio))
        assert measured >= limit, f"{what}: {measured:.7g} {unit}, promised are {limit:.7g}"

    def tightest(self, part: str) -> str:
        """Return, of a file's figures, the one that is nearest to its promise or furthest beyond it, in words."""
        rows = self.rows.get(part)
        if not rows:
            return ""
        figure = max(rows, key=lambda row: row.ratio)
        return f"{figure.what}: {figure.measured}" + (f" ({figure.promise})" if figure.promise else "")

    def print(self, terminal: pytest.TerminalReporter) -> None:
        """Print all figures."""
        figures = [(row.what, row.promise, row.measured) for rows in self.rows.values() for row in rows]
        if not figures:
            return
        rows = [("figure", "promised", "measured"), *figures]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        terminal.section("figures")
        for row in rows:
            terminal.line("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())

    def _add(self, figure: Figure) -> None:
        self.rows.setdefault(self.part, []).append(figure)


FIGURES = pytest.StashKey[Figures]()
