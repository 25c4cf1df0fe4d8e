"""Bodies of /v1/workflows/{name}/runs."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import Path
from pydantic import BaseModel, Field, model_validator

from mcp_server.tools.definitions import NAME
from mcp_server.workflows.run_models import Run, RunLog, RunState
from mcp_server.workflows.schemas import BodyVersion, LogLine
from nexus_chassis.schemas import RequestModel

RunId = Annotated[str, Path(pattern="^[A-Za-z0-9._-]{1,64}$")]


class StartRun(RequestModel):
    """A run of the version that an alias names, or of a published version."""

    alias: str | None = Field(None, pattern=NAME)
    version: BodyVersion | None = None
    arguments: dict[str, Any] = Field({}, description="what the input schema of the version describes")

    @model_validator(mode="after")
    def _has_one_version(self) -> Self:
        if (self.alias is None) == (self.version is None):
            raise ValueError("exactly one of alias and version is needed")
        return self


START_BODY: dict[str, Any] = {
    "requestBody": {"content": {"application/json": {"schema": StartRun.model_json_schema()}}, "required": True}
}


class WorkflowRun(BaseModel):
    """A run. It is a task of the Tasks extension, too, by the same id."""

    run_id: str
    name: str
    version: int
    alias: str | None
    state: RunState
    result: Any = Field(None, description="where it is finished")
    reason: str | None = Field(description="what kind of failure, where it failed")
    detail: str | None
    attempts: int = Field(description="how often it was started")
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, run: Run) -> "WorkflowRun":
        """Return what is answered of a run."""
        return cls(**{name: getattr(run, name) for name in cls.model_fields})


class RunSummary(BaseModel):
    """A run without its result."""

    run_id: str
    version: int
    alias: str | None
    state: RunState
    reason: str | None
    created_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, run: Run) -> "RunSummary":
        """Return what is answered of a run."""
        return cls(**{name: getattr(run, name) for name in cls.model_fields})


class WorkflowRuns(BaseModel):
    """Runs, the newest first; `next` is the `before` of the page after this one, null on the last."""

    items: list[RunSummary]
    next: str | None


class NumberedLine(LogLine):
    """A line of a log with its number."""

    number: int


class RunLogs(BaseModel):
    """Lines of the log of a run; `next` is the `after` of the lines behind them, also of those still to come."""

    items: list[NumberedLine]
    next: int

    @classmethod
    def of(cls, lines: list[RunLog], after: int) -> "RunLogs":
        """Return what is answered of lines."""
        items = [
            NumberedLine(number=line.number, at=line.at, level=line.level, logger=line.logger, message=line.message)
            for line in lines
        ]
        return cls(items=items, next=lines[-1].number if lines else after)
