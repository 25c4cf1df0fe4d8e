"""What agents read about workflows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from mcp_server.errors import AgentFacingError
from mcp_server.workflows.errors import WorkflowNotFoundError
from mcp_server.workflows.reader import WorkflowReader
from mcp_server.workflows.service import MAX_WORKFLOWS
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError
from nexus_chassis.principal import Principal


class WorkflowsAwayError(AgentFacingError):
    """The workflows cannot be read now."""

    def __init__(self) -> None:
        super().__init__("The workflows cannot be read now. Try again later.")


@dataclass(frozen=True, slots=True)
class WorkflowDescriptions:
    """Describes the workflows of a tenant; methods raise WorkflowsAwayError."""

    workflows: WorkflowReader

    async def all(self, principal: Principal) -> list[dict[str, Any]]:
        """Return each workflow with its aliases."""
        with _reading():
            return [asdict(found) for found in await self.workflows.workflows(principal, "", MAX_WORKFLOWS)]

    async def one(self, principal: Principal, name: str) -> dict[str, Any] | None:
        """Return a workflow with what its aliases name; None where there is none."""
        with _reading():
            try:
                found = await self.workflows.workflow(principal, name)
            except WorkflowNotFoundError:
                return None
            aliases = {alias: await self._version(principal, name, number) for alias, number in found.aliases.items()}
        return {"name": found.name, "latest": found.latest, "aliases": aliases}

    async def _version(self, principal: Principal, name: str, number: int) -> dict[str, Any]:
        version = await self.workflows.version(principal, name, number)
        content = version.content.model_dump(mode="json", by_alias=True, exclude={"external_nodes"}, exclude_none=True)
        return {"version": number, "scopes": sorted(version.content.scopes), **content}


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (DatabaseUnavailableError, PoolExhaustedError):
        raise WorkflowsAwayError from None
