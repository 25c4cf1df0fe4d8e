"""What operators use: the metrics, their documentation, the dashboard and the alerts."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import Counter, Gauge, Histogram

from nexus_chassis import store_errors, telemetry
from nexus_gateway import metrics

APP = Path(__file__).parent.parent
DASHBOARD, ALERTS = APP / "operations" / "dashboard.json", APP / "operations" / "alerts.yaml"
FROM_PROMETHEUS = {"up"}

_ROW = re.compile(r"^\| `([a-z_]+)` \| (.*?) \| (.*?) \|$", re.MULTILINE)
_METRIC = re.compile(r"\b([a-z_:]+)\{")
_SUFFIXES = {Counter: ("_total",), Gauge: ("",), Histogram: ("_bucket", "_sum", "_count")}

type Metric = Counter | Gauge | Histogram


def all_metrics() -> list[Metric]:
    return [
        value
        for module in (telemetry, store_errors, metrics)
        for value in vars(module).values()
        if isinstance(value, (Counter, Gauge, Histogram))
    ]


def names(metric: Metric) -> list[str]:
    """As Prometheus knows them."""
    (family,) = metric.describe()
    return [family.name + suffix for suffix in _SUFFIXES[type(metric)]]


def expressions() -> Iterator[str]:
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (rule["expr"] for rule in rules())


def used_names() -> set[str]:
    return {name for expression in expressions() for name in _METRIC.findall(expression)}


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return list(group["rules"])


def test_each_metric_is_in_the_readme() -> None:
    rows = _ROW.findall((APP / "README.md").read_text("utf-8").partition("\n### Metrics\n")[2])
    declared = {
        names(metric)[0].removesuffix("_bucket"): (", ".join(metric._labelnames), metric._documentation)  # noqa: SLF001
        for metric in all_metrics()
    }

    table = "\n".join(f"| `{name}` | {labels} | {meaning} |" for name, (labels, meaning) in declared.items())
    documented = {name: (labels, meaning) for name, labels, meaning in rows}
    assert documented == declared, f"README.md should have these rows:\n{table}"


def test_the_dashboard_and_the_alerts_use_metrics_that_exist() -> None:
    assert used_names() <= {name for metric in all_metrics() for name in names(metric)} | FROM_PROMETHEUS


def test_the_dashboard_shows_each_metric() -> None:
    assert [names(metric)[0] for metric in all_metrics() if not used_names() & set(names(metric))] == []


def test_each_alert_says_how_bad_it_is_and_what_happened() -> None:
    assert {tuple(sorted(rule)) for rule in rules()} == {("alert", "annotations", "expr", "for", "labels")}
    assert {tuple(sorted(rule["annotations"])) for rule in rules()} == {("description", "summary")}
    assert {rule["labels"]["severity"] for rule in rules()} == {"critical", "warning"}
    assert len({rule["alert"] for rule in rules()}) == len(rules())


def test_expressions_close_what_they_open() -> None:
    for expression in expressions():
        assert [expression.count(sign) for sign in "([{"] == [expression.count(sign) for sign in ")]}"], expression
