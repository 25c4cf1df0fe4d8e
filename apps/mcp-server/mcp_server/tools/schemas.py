"""Bodies of the management API."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, Field

from mcp_server.tools.definitions import NAME, Service, ToolCredentials, ToolDefinition, ToolScope
from mcp_server.tools.models import VersionOfTool
from nexus_chassis.schemas import RequestModel

MAX_VERSION = 2**31 - 1

ToolName = Annotated[str, Path(pattern=NAME)]
VersionNumber = Annotated[int, Path(ge=1, le=MAX_VERSION)]


class RegisteredTool(BaseModel):
    """What became of a registration: `created` is false if the version in use was the same already."""

    name: str
    version: int
    created: bool


class ToolVersion(BaseModel):
    """A version of a tool, without its definition."""

    version: int
    digest: str = Field(description="SHA-256 of the definition, in hexadecimal digits")
    author: str
    created_at: datetime
    active: bool = Field(description="whether it is in use")

    @classmethod
    def of(cls, found: VersionOfTool) -> "ToolVersion":
        """Return what is answered of a version."""
        return cls(
            version=found.version,
            digest=found.digest,
            author=found.author,
            created_at=found.created_at,
            active=found.is_active,
        )


class ToolVersions(BaseModel):
    """The versions of a tool, the newest first."""

    items: list[ToolVersion]


class ToolOfVersion(BaseModel):
    """A version of a tool, with its definition."""

    version: int
    digest: str
    definition: ToolDefinition


class ImportRequest(RequestModel):
    """What to import."""

    source: str = Field(pattern=NAME, description="name of the import: the next one of this name replaces its tools")
    document: dict[str, Any] | None = Field(
        None, description="OpenAPI 3.1, in JSON; without it, that of nexus-gateway, with all services of the stack"
    )
    operations: list[str] | None = Field(None, max_length=1000, description="operation ids; without them, all")
    prefix: str = Field("", pattern="^[A-Za-z0-9_]{0,32}$", description="what the names of the tools begin with")
    server: str | None = Field(None, max_length=512, description="instead of the document's own")
    service: Service | None = Field(None, description="a service of the stack to call instead of a server")
    scopes: list[ToolScope] = Field([], max_length=8, description="what a token needs for each of the tools")
    credentials: ToolCredentials | None = None


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:  # noqa: ANN401  any JSON value
    """A schema without references: `#/$defs` would be looked for in the document around it."""
    if isinstance(schema, list):
        return [_inlined(member, parts) for member in schema]
    if not isinstance(schema, dict):
        return schema
    referred = parts[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else {}
    whole = {**referred, **{name: member for name, member in schema.items() if name not in {"$ref", "$defs"}}}
    return {name: _inlined(member, parts) for name, member in whole.items()}


_IMPORT = ImportRequest.model_json_schema()
IMPORT_BODY: dict[str, Any] = {
    "requestBody": {
        "content": {"application/json": {"schema": _inlined(_IMPORT, _IMPORT["$defs"])}},
        "required": True,
    }
}


class RefusedOperation(BaseModel):
    """An operation that cannot become a tool; an earlier version of it stays in use."""

    operation: str
    reason: str


class ImportOutcome(BaseModel):
    """The names of tools that an import has changed."""

    added: list[str]
    changed: list[str]
    unchanged: list[str]
    removed: list[str]
    refused: list[RefusedOperation]


class Rollback(RequestModel):
    """Which version to put in use."""

    version: int = Field(ge=1, le=MAX_VERSION)
