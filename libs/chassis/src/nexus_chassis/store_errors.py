"""Counts how often a store was away, for Prometheus."""

from prometheus_client import Counter

STORE_ERRORS = Counter(
    "store_errors", "Commands that a store did not answer, or that got no connection to it in time", ["store", "reason"]
)
"""store: postgresql, redis. reason: away, exhausted."""
