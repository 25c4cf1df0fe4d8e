"""Counts the connections of pools that are in use, for Prometheus. Their sizes are settings."""

from prometheus_client import Gauge

CONNECTIONS_USED = Gauge(
    "pool_connections_used",
    "connections in use of the pools of all workers: postgresql, redis, or http to other services",
    ["pool"],
    multiprocess_mode="livesum",
)
