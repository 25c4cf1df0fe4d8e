"""Runs a Kailash workflow on the catalogue: creates a product or finds it by its number, and classifies it.

    python examples/workflow.py

It needs the settings of dataflow-service in the environment (README.md, Settings).
"""

import asyncio
import sys
from typing import Any

from kailash.runtime import AsyncLocalRuntime  # type: ignore[import-untyped]
from kailash.workflow.builder import WorkflowBuilder  # type: ignore[import-untyped]

from dataflow_service.embedded import open_nodes
from dataflow_service.settings import Settings
from nexus_chassis.principal import Principal
from nexus_chassis.settings import load

ME = Principal(
    subject="nightly-import",
    client_id="nightly-import",
    scopes=frozenset({"data:read", "data:write"}),
    token="",  # it acts in its own process, not by a token
    expires_at=0,
    token_id="",
)


async def main(settings: Settings) -> dict[str, Any]:
    """Run the workflow and return the outputs of its nodes by their ids."""
    async with open_nodes(settings) as nodes:
        with nodes.acting_for(ME):
            async with AsyncLocalRuntime() as runtime:
                results, _ = await runtime.execute_workflow_async(_workflow().build(), {})
                return dict(results)


def _workflow() -> WorkflowBuilder:
    workflow = WorkflowBuilder()
    bolt = {"where": {"sku": "B-840"}, "create": {"name": "Hexagon bolt M8 x 40"}, "update": {"supplier": "Norm & Co"}}
    workflow.add_node("ProductUpsertNode", "bolt", bolt)
    workflow.add_node("ProductUpdateNode", "classified", {"unspsc_code": "31161620"})
    workflow.add_node("ProductReadNode", "checked", {})
    workflow.add_node("ProductCountNode", "count", {"filter": {"unspsc_code": "${code}"}})
    workflow.add_connection("bolt", "record.id", "classified", "id")
    workflow.add_connection("classified", "id", "checked", "id")
    workflow.add_connection("classified", "unspsc_code", "count", "code")
    return workflow


if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(main(load(Settings)))}\n")
