"""The promises about what operators use: the metrics of a service, their documentation, its dashboard and its alerts."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml  # type: ignore[import-untyped]
from prometheus_client import Counter, Gauge, Histogram

_FROM_PROMETHEUS = {"up"}
_ROW = re.compile(r"^\| `([a-z_]+)` \| (.*?) \| (.*?) \|$", re.MULTILINE)
_METRIC = re.compile(r"\b([a-z_:]+)\{")
_SUFFIXES = {Counter: ("_total",), Gauge: ("",), Histogram: ("_bucket", "_sum", "_count")}

type Metric = Counter | Gauge | Histogram


@dataclass(frozen=True)
class Operations:
    """A service whose folder `app` has README.md and operations/, and whose metrics are in `modules`."""

    app: Path
    modules: tuple[ModuleType, ...]

    def assert_metrics_documented(self) -> None:
        """Fail unless the table below `### Metrics` in the README says exactly what the metrics say."""
        rows = _ROW.findall((self.app / "README.md").read_text("utf-8").partition("\n### Metrics\n")[2])
        declared = {
            _names(metric)[0].removesuffix("_bucket"): (", ".join(metric._labelnames), metric._documentation)  # noqa: SLF001
            for metric in self._metrics()
        }
        table = "\n".join(f"| `{name}` | {labels} | {meaning} |" for name, (labels, meaning) in declared.items())
        documented = {name: (labels, meaning) for name, labels, meaning in rows}
        assert documented == declared, f"README.md should have these rows:\n{table}"

    def assert_metrics_used(self) -> None:
        """Fail unless the dashboard and the alerts use metrics that exist, and each of them."""
        used = {name for expression in self._expressions() for name in _METRIC.findall(expression)}
        assert used <= {name for metric in self._metrics() for name in _names(metric)} | _FROM_PROMETHEUS
        assert [_names(metric)[0] for metric in self._metrics() if not used & set(_names(metric))] == []

    def assert_expressions_balanced(self) -> None:
        """Fail where an expression does not close what it opens."""
        for expression in self._expressions():
            assert [expression.count(sign) for sign in "([{"] == [expression.count(sign) for sign in ")]}"], expression

    def assert_alerts_complete(self) -> None:
        """Fail unless each alert has its own name, and says how bad it is and what happened."""
        rules = self._rules()
        assert {tuple(sorted(rule)) for rule in rules} == {("alert", "annotations", "expr", "for", "labels")}
        assert {tuple(sorted(rule["annotations"])) for rule in rules} == {("description", "summary")}
        assert {rule["labels"]["severity"] for rule in rules} == {"critical", "warning"}
        assert len({rule["alert"] for rule in rules}) == len(rules)

    def _metrics(self) -> list[Metric]:
        values = [value for module in self.modules for value in vars(module).values()]
        return [value for value in values if isinstance(value, (Counter, Gauge, Histogram))]

    def _expressions(self) -> Iterator[str]:
        for panel in json.loads((self.app / "operations" / "dashboard.json").read_text("utf-8"))["panels"]:
            yield from (target["expr"] for target in panel["targets"])
        yield from (rule["expr"] for rule in self._rules())

    def _rules(self) -> list[dict[str, Any]]:
        (group,) = yaml.safe_load((self.app / "operations" / "alerts.yaml").read_text("utf-8"))["groups"]
        return list(group["rules"])


def _names(metric: Metric) -> list[str]:
    """As Prometheus knows them."""
    (family,) = metric.describe()
    return [family.name + suffix for suffix in _SUFFIXES[type(metric)]]
