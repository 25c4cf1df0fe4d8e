"""What a server offers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_server.prompts.registry import Prompt
    from mcp_server.resources.registry import Resource, Template
    from mcp_server.tools.registry import Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Tools, resources and prompts, and what the agent should know of them as a whole.

    `with_workflows` where the workflows of a tenant are resources, and tools run them.
    """

    tools: "Sequence[Tool]"
    resources: "Sequence[Resource]" = ()
    templates: "Sequence[Template]" = ()
    prompts: "Sequence[Prompt]" = ()
    instructions: str = ""
    with_workflows: bool = False
