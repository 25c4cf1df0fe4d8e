"""POST /v1/classify."""

from typing import Annotated

from fastapi import Depends, Request, Response

from classification_service.classify.dependencies import Classification, ClassifyBody
from classification_service.classify.schemas import ClassifyRequest, ClassifyResponse
from classification_service.llm.models import Origin
from nexus_chassis.disconnect import cancel_on_disconnect
from nexus_chassis.principal import Principal
from nexus_chassis.routing import Router
from nexus_chassis.tokens import authenticate, require

router = Router(prefix="/v1", tags=["classify"], dependencies=[Depends(require("classify"))])

_BODY = {"content": {"application/json": {"schema": ClassifyRequest.model_json_schema()}}, "required": True}


@router.post(
    "/classify",
    summary="Codes for up to 1000 products",
    response_model=ClassifyResponse,
    openapi_extra={"requestBody": _BODY},
)
async def classify(
    request: Request,
    body: ClassifyBody,
    classification: Classification,
    principal: Annotated[Principal, Depends(authenticate)],
) -> Response:
    """One result per item, in order: a code with its confidence and alternatives, or an error of its own."""
    origin = Origin("request", principal.subject)
    answer = await cancel_on_disconnect(request, classification.classify(body, origin, principal.tenant))
    return Response(answer.model_dump_json(), media_type="application/json")
