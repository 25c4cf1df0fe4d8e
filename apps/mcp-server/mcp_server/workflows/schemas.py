"""Bodies of /v1/workflows."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, Field

from mcp_server.runner.wire import MAX_SECONDS
from mcp_server.tools.definitions import NAME
from mcp_server.workflows.errors import Fault
from mcp_server.workflows.models import AboutVersion, AboutWorkflow, Content, Move, State, Version
from nexus_chassis.schemas import RequestModel

MAX_VERSION = 2**31 - 1
_OUTPUT = r"^[A-Za-z][A-Za-z0-9_]{0,63}(\.[A-Za-z0-9_]{1,64}){1,8}$"

WorkflowName = Annotated[str, Path(pattern=NAME)]
AliasName = Annotated[str, Path(pattern=NAME)]
VersionNumber = Annotated[int, Path(ge=1, le=MAX_VERSION)]
BodyVersion = Annotated[int, Field(ge=1, le=MAX_VERSION)]

_NOTHING: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


class Draft(RequestModel):
    """A new version of a workflow."""

    definition: dict[str, Any] = Field(description="a Kailash workflow, as Workflow.to_dict writes it")
    input_schema: dict[str, Any] = Field(
        default_factory=lambda: dict(_NOTHING), alias="inputSchema", description="of the arguments of a run"
    )
    output_schema: dict[str, Any] | None = Field(None, alias="outputSchema", description="of the result of a run")
    inputs: dict[str, dict[str, str]] = Field(
        {}, description="where arguments go: node -> input of the node -> name of the argument"
    )
    output: str | None = Field(
        None,
        pattern=_OUTPUT,
        description="what becomes the result, such as `summary.result`; without it, the outputs of all nodes",
    )
    timeout_seconds: float = Field(60, ge=0.1, le=MAX_SECONDS, description="how long a run may take")
    parent: BodyVersion | None = Field(None, description="the version that this one was made from")


DRAFT_BODY: dict[str, Any] = {
    "requestBody": {"content": {"application/json": {"schema": Draft.model_json_schema()}}, "required": True}
}


class AddedVersion(BaseModel):
    """What became of a draft: `created` is false if the newest version was the same already."""

    name: str
    version: int
    content_hash: str = Field(description="SHA-256 of the content, in hexadecimal digits")
    created: bool


class WorkflowVersion(BaseModel):
    """A version, without its content."""

    version: int
    state: State
    parent: int | None
    content_hash: str
    author: str
    created_at: datetime

    @classmethod
    def of(cls, about: AboutVersion) -> "WorkflowVersion":
        """Return what is answered of a version."""
        return cls(**{name: getattr(about, name) for name in cls.model_fields})


class WorkflowVersions(BaseModel):
    """The versions of a workflow, the newest first."""

    items: list[WorkflowVersion]


class WholeVersion(WorkflowVersion):
    """A version with its content."""

    content: Content

    @classmethod
    def of_version(cls, version: Version) -> "WholeVersion":
        """Return what is answered of a version."""
        return cls(**WorkflowVersion.of(version.about).model_dump(), content=version.content)


class Workflow(BaseModel):
    """A workflow: the number of its newest version, and what its aliases name."""

    name: str
    latest: int
    aliases: dict[str, int]

    @classmethod
    def of(cls, workflow: AboutWorkflow) -> "Workflow":
        """Return what is answered of a workflow."""
        return cls(name=workflow.name, latest=workflow.latest, aliases=workflow.aliases)


class Workflows(BaseModel):
    """The workflows of a tenant, by name; `next` is the `after` of the page after this one, null on the last."""

    items: list[Workflow]
    next: str | None


class ChosenVersion(RequestModel):
    """Which version it is about."""

    version: BodyVersion


class FaultOfVersion(BaseModel):
    """What is wrong, and where."""

    place: str
    reason: str


class Validation(BaseModel):
    """Whether a version can run, and what is wrong with it."""

    valid: bool
    faults: list[FaultOfVersion]

    @classmethod
    def of(cls, faults: list[Fault]) -> "Validation":
        """Return what is answered of faults."""
        return cls(
            valid=not faults, faults=[FaultOfVersion(place=fault.place, reason=fault.reason) for fault in faults]
        )


class DryRunRequest(RequestModel):
    """A run that changes nothing."""

    version: BodyVersion
    arguments: dict[str, Any] = Field({}, description="what the input schema of the version describes")
    outputs: dict[str, dict[str, Any]] = Field(
        {}, description="outputs of the nodes that would change data, by node type, of a tool by its name"
    )


DRY_RUN_BODY: dict[str, Any] = {
    "requestBody": {"content": {"application/json": {"schema": DryRunRequest.model_json_schema()}}, "required": True}
}


class NodeCall(BaseModel):
    """A call of a node by mcp-server; `executed` unless it would have changed data."""

    node: str
    parameters: dict[str, Any] | None = Field(description="null where they are long")
    executed: bool


class LogLine(BaseModel):
    """A line that a run logged or printed."""

    at: datetime
    level: str
    logger: str
    message: str


class DryRun(BaseModel):
    """What came of it. `result`, or `reason` and `detail` of the failure."""

    state: Literal["finished", "failed"]
    result: Any = None
    reason: str | None = None
    detail: str | None = None
    calls: list[NodeCall]
    logs: list[LogLine]


class Alias(BaseModel):
    """An alias: the version that it names, and its newest moves, the newest first."""

    alias: str
    version: int
    moves: list["AliasMove"]

    @classmethod
    def of(cls, alias: str, version: int, moves: list[Move]) -> "Alias":
        """Return what is answered of an alias."""
        found = [AliasMove(version=move.version, author=move.author, at=move.at) for move in moves]
        return cls(alias=alias, version=version, moves=found)


class AliasMove(BaseModel):
    """A move of an alias; `version` is null where it was deleted."""

    version: int | None
    author: str
    at: datetime
