"""What operators use: the metrics, their documentation, the dashboard and the alerts."""

from pathlib import Path

from mcp_server import metrics
from nexus_chassis import pool_metrics, store_errors, telemetry
from nexus_testkit.operations import Operations

OPERATIONS = Operations(Path(__file__).parent.parent, (telemetry, store_errors, pool_metrics, metrics))


def test_each_metric_is_in_the_readme() -> None:
    OPERATIONS.assert_metrics_documented()


def test_the_dashboard_and_the_alerts_use_each_metric_and_no_other() -> None:
    OPERATIONS.assert_metrics_used()


def test_each_alert_says_how_bad_it_is_and_what_happened() -> None:
    OPERATIONS.assert_alerts_complete()


def test_expressions_close_what_they_open() -> None:
    OPERATIONS.assert_expressions_balanced()
