"""POST /v1/features."""

from typing import Annotated

from fastapi import Depends, Request, Response

from classification_service.features.dependencies import Features, FeaturesBody
from classification_service.features.schemas import FeaturesRequest, FeaturesResponse
from classification_service.llm.models import Origin
from nexus_chassis.disconnect import cancel_on_disconnect
from nexus_chassis.principal import Principal
from nexus_chassis.routing import Router
from nexus_chassis.tokens import authenticate, require

router = Router(prefix="/v1", tags=["features"], dependencies=[Depends(require("classify"))])

_BODY = {"content": {"application/json": {"schema": FeaturesRequest.model_json_schema()}}, "required": True}


@router.post(
    "/features",
    summary="ETIM feature values of up to 1000 products",
    response_model=FeaturesResponse,
    openapi_extra={"requestBody": _BODY},
)
async def read_features(
    request: Request,
    body: FeaturesBody,
    features: Features,
    principal: Annotated[Principal, Depends(authenticate)],
) -> Response:
    """Values of the features of each item's class, read out of its attributes and text, each with the words it came from."""
    origin = Origin("request", principal.subject)
    answer = await cancel_on_disconnect(request, features.read(body, origin, principal.tenant))
    return Response(answer.model_dump_json(), media_type="application/json")
