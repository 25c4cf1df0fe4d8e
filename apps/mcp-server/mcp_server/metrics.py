"""The metrics of mcp-server (Prometheus), beside those of the chassis; the features count here and nowhere else.

Workers share their values through files, so every Gauge says how those of several workers are added up. Labels are words
from code, never from a request: each combination is kept until the process ends.
"""

from functools import lru_cache

from prometheus_client import Counter, Gauge, Histogram

REGISTERED = "(registered)"
"""The label `tool` of all tools that users have registered."""

TOOL_SECONDS = Histogram(
    "mcp_tool_seconds",
    "seconds of a call of a tool, tasks included, by outcome: success, error (a result with isError), input_required, "
    "failed or cancelled",
    ["tool", "outcome"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120),
)
CALLS_REFUSED = Counter(
    "mcp_calls_refused",
    "calls of tools that were not made: scope, arguments, rate (of its class) or circuit (its server does not answer)",
    ["reason"],
)

TASKS_OPEN = Gauge("mcp_tasks_open", "calls of tools that run or wait as tasks", multiprocess_mode="livesum")
TASKS = Counter("mcp_tasks", "tasks that a process ended: completed, input_required, failed or cancelled", ["status"])

RUN_SECONDS = Histogram(
    "mcp_run_seconds",
    "seconds of an attempt at a run of a workflow, by outcome: finished, queued (it starts again), cancelled, or the reason "
    "of its failure",
    ["outcome"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600),
)
RUNS_HELD = Gauge("mcp_runs_held", "runs of workflows that the workers run", multiprocess_mode="livesum")
RUNS_WAITING = Gauge(
    "mcp_runs_waiting", "runs of workflows that no process of any replica runs yet", multiprocess_mode="livemostrecent"
)
RUN_WAIT_SECONDS = Gauge(
    "mcp_run_wait_seconds", "seconds that the oldest of them has waited", multiprocess_mode="livemostrecent"
)

SESSIONS = Counter("mcp_sessions", "sessions over HTTP: began, ended (by their client) or refused", ["change"])
CONNECTIONS = Gauge(
    "mcp_connections",
    "open connections: websocket, or stream (of notifications over HTTP)",
    ["kind"],
    multiprocess_mode="livesum",
)

tool_seconds = lru_cache(4096)(TOOL_SECONDS.labels)
