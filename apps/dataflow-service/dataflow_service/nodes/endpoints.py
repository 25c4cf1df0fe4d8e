"""POST /v1/nodes/{Node}/execute."""

from fastapi import Request, Response

from dataflow_service.nodes import parsing
from dataflow_service.nodes.dependencies import Caller, Nodes, PermittedNode
from dataflow_service.nodes.schemas import PARAMETERS_BODY, NodeResult
from dataflow_service.records.endpoints import MAX_BODY_BYTES, MAX_BULK_BYTES
from nexus_chassis.disconnect import cancel_on_disconnect
from nexus_chassis.request_body import read_json
from nexus_chassis.routing import Router

router = Router(prefix="/v1/nodes", tags=["nodes"])


@router.post("/{name}/execute", openapi_extra=PARAMETERS_BODY, response_model=NodeResult)
async def execute_node(request: Request, principal: Caller, node: PermittedNode, nodes: Nodes) -> Response:
    """Run a node: `data:read` for Read, List and Count, `data:write` for the others."""
    limit = MAX_BULK_BYTES if node.node.operation.startswith("bulk_") else MAX_BODY_BYTES
    parameters = parsing.of_body(await read_json(request, limit, decimals=True))
    running = nodes.run(principal, node, parameters)
    outcome = await (cancel_on_disconnect(request, running) if node.reads else running)
    return Response(outcome.json(), media_type="application/json")
