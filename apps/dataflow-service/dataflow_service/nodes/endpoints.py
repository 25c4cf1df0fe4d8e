"""POST /v1/nodes/{Node}/execute."""

from functools import partial

from fastapi import Request, Response

from dataflow_service.idempotency.http import IDEMPOTENCY_KEY, read_json_attempt, respond
from dataflow_service.idempotency.models import Answer
from dataflow_service.nodes import parsing
from dataflow_service.nodes.dependencies import Caller, Nodes, PermittedNode
from dataflow_service.nodes.schemas import PARAMETERS_BODY, NodeResult
from dataflow_service.records.endpoints import MAX_BODY_BYTES, MAX_BULK_BYTES
from dataflow_service.records.writer import Writing
from nexus_chassis.disconnect import cancel_on_disconnect
from nexus_chassis.routing import Router

router = Router(prefix="/v1/nodes", tags=["nodes"])


@router.post("/{name}/execute", openapi_extra=PARAMETERS_BODY | IDEMPOTENCY_KEY, response_model=NodeResult)
async def execute_node(request: Request, principal: Caller, node: PermittedNode, nodes: Nodes) -> Response:
    """Run a node: `data:read` for Read, List and Count, `data:write` for the others."""
    limit = MAX_BULK_BYTES if node.node.operation.startswith("bulk_") else MAX_BODY_BYTES
    parameters, attempt = await read_json_attempt(request, principal, limit, parsing.of_body)
    opening = partial(nodes.writing, principal)
    if node.reads:
        outcome = await cancel_on_disconnect(request, nodes.run(principal, node, parameters, opening))
        return Response(outcome.json(), media_type="application/json")

    async def execute(writing: Writing) -> Answer:
        return Answer((await nodes.run(principal, node, parameters, writing)).json())

    return await respond(attempt, opening, execute)
