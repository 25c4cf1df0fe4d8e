"""The gateway's own metrics (Prometheus), beside those of the chassis; the features count here and nowhere else.

Workers share their values through files, so every Gauge says how those of several workers are added up. Labels are words
from code or from the route table, never from a request: each combination is kept until the process ends.
"""

from prometheus_client import Counter, Gauge, Histogram

LOGINS = Counter("gateway_logins", "Attempts to sign in, by outcome", ["outcome"])
"""outcome: success, wrong, limited, overloaded, unavailable."""

REFRESHES = Counter("gateway_refreshes", "Uses of refresh tokens, by outcome", ["outcome"])
"""outcome: success, repeated (within the grace time), replayed (its session was ended), refused."""

SESSIONS_ENDED = Counter(
    "gateway_sessions_ended", "Sessions ended before their time, by who or what ended them", ["by"]
)
"""by: user, admin, replay."""

RATE_LIMITED = Counter("gateway_rate_limited", "Requests refused by a rate limit, by what it counts", ["limit"])
"""limit: address, principal, client, class."""

LIMITER_OPEN = Counter("gateway_limiter_open", "Requests that passed uncounted because Redis was away")

BREAKER_STATE = Gauge(
    "gateway_breaker_state",
    "Circuit breaker of a service in the worst worker: 0 closed, 1 trying, 2 open",
    ["service"],
    multiprocess_mode="livemax",
)

UPSTREAM_SECONDS = Histogram(
    "gateway_upstream_seconds",
    "Seconds from passing a request on to the head of the service's answer, by service",
    ["service"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
UPSTREAM_FAILURES = Counter(
    "gateway_upstream_failures", "Requests that a service did not answer, by service and reason", ["service", "reason"]
)
"""reason: unreachable, timeout, cut (the answer broke off), open (the breaker let none through)."""

UPSTREAM_RETRIES = Counter("gateway_upstream_retries", "Requests sent to a service again, by service", ["service"])

CONNECTIONS = Gauge(
    "gateway_connections", "Open connections for events, by transport", ["transport"], multiprocess_mode="livesum"
)
"""transport: websocket, sse."""

EVENTS_SENT = Counter("gateway_events_sent", "Events sent to subscribers, by transport", ["transport"])
EVENT_LAG = Histogram(
    "gateway_event_lag_seconds",
    "Seconds from the publication of an event to its dispatch in this worker",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
SLOW_CONSUMERS = Counter("gateway_slow_consumers", "Connections closed because they read too slowly", ["transport"])

AUDIT_QUEUE = Gauge("gateway_audit_queue", "Audit events that wait to be written", multiprocess_mode="livesum")
AUDIT_WRITTEN = Counter("gateway_audit_written", "Audit events written")
AUDIT_DROPPED = Counter("gateway_audit_dropped", "Audit events lost because too many waited")

KEY_CREATED = Gauge(
    "gateway_signing_key_created_timestamp_seconds",
    "When the signing key in this state was made, in seconds since 1970",
    ["state"],
    multiprocess_mode="livemax",
)
"""state: current, next."""

KEYS_READ = Gauge(
    "gateway_signing_keys_read_timestamp_seconds",
    "When the worker that is furthest behind last read the signing keys, in seconds since 1970",
    multiprocess_mode="livemin",
)
KEY_CHANGES = Counter("gateway_signing_key_changes", "Changes of the signing keys made by this gateway", ["change"])
"""change: rotate, withdraw."""
