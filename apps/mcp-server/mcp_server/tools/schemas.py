"""Bodies of the management API."""

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, Field

from mcp_server.tools.definitions import NAME, ToolDefinition
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


class Rollback(RequestModel):
    """Which version to put in use."""

    version: int = Field(ge=1, le=MAX_VERSION)
