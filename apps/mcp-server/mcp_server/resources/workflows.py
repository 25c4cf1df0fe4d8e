"""The resources on workflows: which there are, and what their aliases name."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pydantic_core import to_json

from mcp_server.protocol.errors import ResourceNotFoundError
from mcp_server.resources.registry import Resource, Template
from mcp_server.tools.request import Request
from nexus_chassis.principal import Principal


class Workflows(Protocol):
    """Who knows the workflows of a tenant. Methods raise AgentFacingError where they cannot be read now."""

    async def all(self, principal: Principal) -> list[dict[str, Any]]:
        """Return each workflow with its aliases."""

    async def one(self, principal: Principal, name: str) -> dict[str, Any] | None:
        """Return a workflow with what its aliases name; None where there is none."""


class WorkflowResources:
    """Reads them for the caller's tenant."""

    def __init__(self, workflows: Workflows) -> None:
        self._workflows = workflows

    def resources(self) -> list[Resource]:
        """Return the resources."""
        return [
            Resource(
                uri="nexus://workflows",
                name="workflows",
                title="Workflows",
                description="The workflows of this tenant, each with its aliases and the versions that they name.",
                read=self._all,
            )
        ]

    def templates(self) -> list[Template]:
        """Return the templates."""
        return [
            Template(
                uri_template="nexus://workflows/{name}",
                name="workflow",
                title="Workflow",
                description="One workflow: what each alias names, with definition, schemas, and the scopes of a run.",
                read=self._one,
                complete={"name": self._names},
            )
        ]

    async def _all(self, request: Request) -> str:
        return to_json({"items": await self._workflows.all(request.principal)}).decode()

    async def _one(self, values: Mapping[str, str], request: Request) -> str:
        found = await self._workflows.one(request.principal, values["name"])
        if found is None:
            raise ResourceNotFoundError(f"nexus://workflows/{values['name']}")
        return to_json(found).decode()

    async def _names(self, begin: str, request: Request) -> Sequence[str]:
        found = await self._workflows.all(request.principal)
        return [workflow["name"] for workflow in found if workflow["name"].startswith(begin)]
