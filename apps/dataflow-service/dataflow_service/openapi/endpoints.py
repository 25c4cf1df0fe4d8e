"""GET /openapi.json."""

from fastapi import Response

from dataflow_service.context import ContextOfApp
from nexus_chassis.routing import Router

router = Router()


@router.get("/openapi.json", include_in_schema=False, summary="This list for programs (OpenAPI)")
async def read_document(context: ContextOfApp) -> Response:
    """The operations of the service, those on rows for each model, as an OpenAPI 3.1 document."""
    return Response(context.document.content, media_type="application/json")
