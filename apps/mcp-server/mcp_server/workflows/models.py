"""Workflows and their versions, as they are kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mcp_server.workflows.definitions import TOOL

type State = Literal["draft", "validated", "tested", "published"]
STATES: tuple[State, ...] = ("draft", "validated", "tested", "published")
"""How far a version has come, in this order."""


class ExternalNode(BaseModel):
    """A node type that mcp-server runs: the names of its parameters, and the scope that the caller's token needs.

    `changes` for one that may change data.
    """

    model_config = ConfigDict(frozen=True)

    parameters: list[str]
    scope: str | None = None
    changes: bool = False


class Content(BaseModel):
    """What a version is. `inputs` says by node and input which argument goes there, `output` what becomes the result."""

    model_config = ConfigDict(frozen=True)

    definition: dict[str, Any]
    input_schema: dict[str, Any] = Field(alias="inputSchema")
    output_schema: dict[str, Any] | None = Field(None, alias="outputSchema")
    inputs: dict[str, dict[str, str]] = {}
    output: str | None = None
    timeout_seconds: float
    external_nodes: dict[str, ExternalNode] = {}

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that its data nodes need of the caller's token."""
        return frozenset(node.scope for node in self.external_nodes.values() if node.scope is not None)

    @property
    def tools(self) -> frozenset[str]:
        """The tools that its nodes call."""
        nodes = self.definition["nodes"].values()
        return frozenset(node["config"]["tool"] for node in nodes if node["node_type"] == TOOL)


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutVersion:
    """What is known of a version beside its content."""

    version: int
    parent: int | None
    content_hash: str
    author: str
    created_at: datetime
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a workflow."""

    name: str
    about: AboutVersion
    content: Content


@dataclass(frozen=True, slots=True)
class Move:
    """A change of an alias: to a version, or to None where it was deleted."""

    version: int | None
    author: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AboutWorkflow:
    """A workflow: the number of its newest version, and the versions that its aliases name."""

    name: str
    latest: int
    aliases: dict[str, int]
