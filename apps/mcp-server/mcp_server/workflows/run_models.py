"""Runs of workflows, as they are kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

type RunState = Literal["queued", "running", "finished", "failed", "cancelled"]

OPEN: frozenset[RunState] = frozenset({"queued", "running"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run. `result` where it is finished, `reason` and `detail` where it failed; `attempts` counts its starts.

    `returns_run` where its task returns the run, as the tool `run_workflow` does, instead of the workflow's result.
    """

    run_id: str
    name: str
    version: int
    alias: str | None
    subject: str
    client_id: str
    state: RunState
    reason: str | None
    detail: str | None
    result: Any
    attempts: int
    returns_run: bool
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run to start. `token` is the caller's, sealed; `expected` the schema that the result must agree with too."""

    run_id: str
    tenant: str
    name: str
    version: int
    alias: str | None
    subject: str
    client_id: str
    arguments: str
    expected: str | None
    returns_run: bool
    token: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRun:
    """A run that this process runs."""

    run_id: str
    tenant: str
    name: str
    version: int
    arguments: dict[str, Any]
    expected: dict[str, Any] | None
    token: bytes
    attempts: int
    has_changed: bool
    waited_seconds: float
    """Since it was started by its caller."""


@dataclass(frozen=True, slots=True)
class RunLog:
    """A line of the log of a run."""

    number: int
    at: datetime
    level: str
    logger: str
    message: str
