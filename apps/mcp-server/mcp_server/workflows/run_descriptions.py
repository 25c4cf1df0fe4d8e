"""What tools return of a run. Members without a value are left out, so that no schema needs a union of types."""

from datetime import datetime
from typing import Any

from mcp_server.workflows.outcomes import as_object
from mcp_server.workflows.run_models import Run, RunLog

_TEXT = {"type": "string"}
_TIME = {"type": "string", "format": "date-time"}

RUN: dict[str, Any] = {
    "type": "object",
    "properties": {
        "run_id": _TEXT,
        "workflow": _TEXT,
        "version": {"type": "integer"},
        "alias": _TEXT,
        "state": {"type": "string", "enum": ["queued", "running", "finished", "failed", "cancelled"]},
        "result": {
            "type": "object",
            "description": "Of a finished run; what is no object is its member `result`.",
        },
        "reason": {"type": "string", "description": "What kind of failure, of a failed run."},
        "detail": _TEXT,
        "attempts": {"type": "integer", "description": "How often it was started."},
        "created_at": _TIME,
        "started_at": _TIME,
        "ended_at": _TIME,
    },
    "required": ["run_id", "workflow", "version", "state"],
}

LINE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "number": {"type": "integer"},
        "at": _TIME,
        "level": _TEXT,
        "logger": _TEXT,
        "message": _TEXT,
    },
    "required": ["number", "at", "level", "message"],
}


def described(run: Run) -> dict[str, Any]:
    """Return a run as the schema RUN has it."""
    members: dict[str, Any] = {
        "run_id": run.run_id,
        "workflow": run.name,
        "version": run.version,
        "alias": run.alias,
        "state": run.state,
        "result": as_object(run.result) if run.state == "finished" else None,
        "reason": run.reason,
        "detail": run.detail,
        "attempts": run.attempts,
        **{name: _time(getattr(run, name)) for name in ("created_at", "started_at", "ended_at")},
    }
    return {name: value for name, value in members.items() if value is not None}


def described_line(line: RunLog) -> dict[str, Any]:
    """Return a line of a log as the schema LINE has it."""
    return {
        "number": line.number,
        "at": line.at.isoformat(),
        "level": line.level,
        "logger": line.logger,
        "message": line.message,
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
