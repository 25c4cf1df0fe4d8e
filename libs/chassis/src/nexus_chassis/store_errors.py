"""Counts how often a store was away, for Prometheus."""

from prometheus_client import Counter

STORE_ERRORS = Counter(
    "store_errors",
    "uses of postgresql or redis that failed: away (no answer) or exhausted (no connection was free in time)",
    ["store", "reason"],
)
