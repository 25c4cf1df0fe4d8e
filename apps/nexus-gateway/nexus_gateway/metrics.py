"""The gateway's own metrics (Prometheus), beside those of the chassis; the features count here and nowhere else.

Workers share their values through files, so every Gauge says how those of several workers are added up. Labels are words
from code or from the route table, never from a request: each combination is kept until the process ends.
"""

from prometheus_client import Counter, Gauge, Histogram

LOGINS = Counter(
    "gateway_logins", "attempts to sign in: success, wrong, limited, overloaded or unavailable", ["outcome"]
)

REFRESHES = Counter(
    "gateway_refreshes",
    "uses of refresh tokens: success, repeated (within the grace time), replayed (the session was ended) or refused",
    ["outcome"],
)

SESSIONS_ENDED = Counter("gateway_sessions_ended", "sessions ended before their time, by user, admin or replay", ["by"])

RATE_LIMITED = Counter(
    "gateway_rate_limited", "requests refused by the rate limit of an address, principal, client or class", ["limit"]
)

LIMITER_OPEN = Counter("gateway_limiter_open", "requests that passed uncounted because Redis was away")

BREAKER_STATE = Gauge(
    "gateway_breaker_state",
    "circuit breaker of a service in the worst worker: 0 closed, 1 trying, 2 open",
    ["service"],
    multiprocess_mode="livemax",
)

UPSTREAM_SECONDS = Histogram(
    "gateway_upstream_seconds",
    "seconds from passing a request on to the head of the service's answer",
    ["service"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
UPSTREAM_FAILURES = Counter(
    "gateway_upstream_failures",
    "requests that a service did not answer: unreachable, timeout, cut (the answer broke off) or open (its breaker)",
    ["service", "reason"],
)

UPSTREAM_RETRIES = Counter("gateway_upstream_retries", "requests sent to a service again", ["service"])

CONNECTIONS = Gauge(
    "gateway_connections", "open connections for events: websocket or sse", ["transport"], multiprocess_mode="livesum"
)

EVENTS_SENT = Counter("gateway_events_sent", "events sent to subscribers", ["transport"])
EVENT_LAG = Histogram(
    "gateway_event_lag_seconds",
    "seconds from the publication of an event to its dispatch in a worker",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
SLOW_CONSUMERS = Counter("gateway_slow_consumers", "connections closed because they read too slowly", ["transport"])

AUDIT_QUEUE = Gauge("gateway_audit_queue", "audit events that wait to be written", multiprocess_mode="livesum")
AUDIT_WRITTEN = Counter("gateway_audit_written", "audit events written")
AUDIT_DROPPED = Counter("gateway_audit_dropped", "audit events lost because too many waited")

KEY_CREATED = Gauge(
    "gateway_signing_key_created_timestamp_seconds",
    "when the signing key was made that is current or next, in seconds since 1970",
    ["state"],
    multiprocess_mode="livemax",
)

KEYS_READ = Gauge(
    "gateway_signing_keys_read_timestamp_seconds",
    "when the worker that is furthest behind last read the signing keys, in seconds since 1970",
    multiprocess_mode="livemin",
)
KEY_CHANGES = Counter(
    "gateway_signing_key_changes", "changes of the signing keys by this gateway: rotate or withdraw", ["change"]
)
