"""Reports of a comparison, for people and programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from nexusctl.console import out, table
from nexusctl.parity.compare import Pair
from nexusctl.parity.facts import Difference, Row, Verdict

_SHOWN = 5
_COLOURS = {Verdict.EQUAL: "green", Verdict.ALLOWED: "yellow", Verdict.DIFFERENT: "red", Verdict.MEASURED: "dim"}


def failed(rows: Mapping[Pair, Sequence[Row]]) -> list[Pair]:
    """Return the pairs with a difference that is not allowed."""
    return [pair for pair, of_pair in rows.items() if any(row.verdict == Verdict.DIFFERENT for row in of_pair)]


def show(rows: Mapping[Pair, Sequence[Row]], stale: Sequence[str]) -> None:
    """Print a table for each pair, every difference that is not allowed, and the result."""
    for pair, of_pair in rows.items():
        reasons = list(dict.fromkeys(reason for row in of_pair for reason in _reasons(row)))
        lines = [[row.point, row.left, row.right, _verdict(row, reasons)] for row in of_pair]
        table(pair.service, ("point", *pair.images, "verdict"), lines)
        for number, reason in enumerate(reasons, start=1):
            out.print(f"  ({number}) {reason}", markup=False, soft_wrap=True)
        for row in of_pair:
            if row.verdict == Verdict.DIFFERENT:
                _show_differences(row)
    for line in stale:
        out.print(f"[red]allowed, but no longer so:[/] {line}", markup=True, soft_wrap=True)
    out.print(f"{len(rows) - len(failed(rows))} of {len(rows)} equal")


def as_json(rows: Mapping[Pair, Sequence[Row]], stale: Sequence[str]) -> str:
    """Return everything that was found, each difference with both values."""
    pairs = [
        {"service": pair.service, "images": pair.images, "points": [asdict(row) for row in of_pair]}
        for pair, of_pair in rows.items()
    ]
    return json.dumps({"equal": not failed(rows) and not stale, "pairs": pairs, "stale": list(stale)}, indent=1)


def _reasons(row: Row) -> list[str]:
    return list(dict.fromkeys(item.reason for item in row.differences if item.reason))


def _verdict(row: Row, reasons: Sequence[str]) -> str:
    text = f"[{_COLOURS[row.verdict]}]{row.verdict}[/]"
    if row.ratio is not None:
        return f"{text}, ratio {row.ratio:.2f}"
    numbers = "".join(f" ({reasons.index(reason) + 1})" for reason in _reasons(row))
    return text + numbers if row.verdict == Verdict.ALLOWED else text


def _show_differences(row: Row) -> None:
    found = [item for item in row.differences if item.reason is None]
    for item in found[:_SHOWN]:
        out.print(f"  {row.point}: {_difference(item)}", markup=False, soft_wrap=True)
    if len(found) > _SHOWN:
        out.print(f"  {row.point}: {len(found) - _SHOWN} more; `--json` has them all")


def _difference(item: Difference) -> str:
    left, right = ("is not there" if value is None else value or "is there" for value in (item.left, item.right))
    return f"{item.key}: {left} | {right}"
