"""Figures of a trained model, drawn as SVG by matplotlib, which is in the dependency group `dev`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "nexus"  # the same figures give the same file


@dataclass(frozen=True, slots=True)
class Figures:
    """What is drawn: shares by level of each way to answer, the levels of a report, shares by labels, and rates."""

    levels: list[str]
    shares: dict[str, list[float]] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    curve: dict[int, float] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)


def draw(path: Path, title: str, figures: Figures) -> None:
    """Write a drawing with four parts: accuracy, reliability, learning curve, rates."""
    whole, ((accuracy, reliability), (curve, rates)) = plt.subplots(2, 2, figsize=(12, 9), layout="constrained")
    whole.suptitle(title)
    _accuracy(accuracy, figures)
    _reliability(reliability, figures.report)
    _curve(curve, figures.curve)
    _rates(rates, figures.rates)
    whole.savefig(path, metadata={"Date": None})
    plt.close(whole)


def _accuracy(axes: Any, figures: Figures) -> None:  # noqa: ANN401  matplotlib's are not named alike
    width = 0.8 / len(figures.shares)
    for place, (name, shares) in enumerate(figures.shares.items()):
        lefts = [level + place * width for level in range(len(shares))]
        bars = axes.bar(lefts, shares, width, align="edge", label=name)
        axes.bar_label(bars, [f"{share:.0%}" for share in shares], fontsize=7)
    axes.set_xticks([level + 0.4 for level in range(len(figures.levels))], figures.levels)
    axes.set(title="right answers at each level", ylim=(0, 1))
    axes.legend(fontsize=8)


def _reliability(axes: Any, report: Mapping[str, Any]) -> None:  # noqa: ANN401  the same
    axes.plot([0, 1], [0, 1], "--", color="grey")
    for level, found in report.items():
        means, shares, _ = zip(*found["reliability"], strict=True)
        axes.plot(means, shares, marker="o", label=f"{level}, error {found['calibration_error']:.3f}")
    axes.set(title="right answers by confidence", xlabel="confidence", xlim=(0, 1), ylim=(0, 1))
    axes.legend(fontsize=8)


def _curve(axes: Any, curve: Mapping[int, float]) -> None:  # noqa: ANN401  the same
    axes.plot(list(curve), list(curve.values()), marker="o")
    for labels, share in curve.items():
        axes.annotate(f"{share:.1%}", (labels, share), textcoords="offset points", xytext=(0, 6), ha="center")
    axes.set(title="right codes by number of labels", xlabel="labels", ylim=(0, 1))


def _rates(axes: Any, rates: Mapping[str, float]) -> None:  # noqa: ANN401  the same
    bars = axes.barh(list(rates), list(rates.values()))
    axes.bar_label(bars, [f"{rate:,.0f}" for rate in rates.values()], padding=3)
    axes.set(title="items per CPU second", xscale="log", xlim=(10, 10 * max(rates.values())))
