"""Registered tools, as they are kept."""

from dataclasses import dataclass
from datetime import datetime

from mcp_server.tools.definitions import ToolDefinition


@dataclass(frozen=True, slots=True)
class StoredTool:
    """A version of a tool of a tenant. `digest` is the SHA-256 of its definition, in hexadecimal digits."""

    version: int
    definition: ToolDefinition
    digest: str


@dataclass(frozen=True, slots=True)
class VersionOfTool:
    """What is known of a version beside its definition; `is_active` for the one in use."""

    version: int
    digest: str
    author: str
    created_at: datetime
    is_active: bool


@dataclass(frozen=True, slots=True)
class Registered:
    """The outcome of a registration; `is_new` unless the version in use was the same already."""

    version: int
    is_new: bool
