"""POST /v1/transactions."""

from functools import partial

from fastapi import Request, Response

from dataflow_service.idempotency.http import IDEMPOTENCY_KEY, read_json_attempt, respond
from dataflow_service.idempotency.models import Answer
from dataflow_service.nodes.dependencies import Caller, Nodes
from dataflow_service.records.endpoints import MAX_BULK_BYTES
from dataflow_service.records.writer import Writing
from dataflow_service.transactions import parsing, service
from dataflow_service.transactions.schemas import TRANSACTION_BODY, TransactionResults
from nexus_chassis.routing import Router

router = Router(prefix="/v1", tags=["transactions"])


@router.post("/transactions", openapi_extra=TRANSACTION_BODY | IDEMPOTENCY_KEY, response_model=TransactionResults)
async def run_transaction(request: Request, principal: Caller, nodes: Nodes) -> Response:
    """Run nodes that change rows in one transaction: all take effect or none."""
    parse = partial(parsing.operations, nodes, principal)
    operations, attempt = await read_json_attempt(request, principal, MAX_BULK_BYTES, parse)

    async def run(writing: Writing) -> Answer:
        async with writing() as rows:
            results = await service.run(nodes, principal, operations, rows)
        return Answer(results)

    return await respond(attempt, partial(nodes.writing, principal), run)
