"""POST /v1/reclassify."""

from typing import Annotated

from fastapi import Depends, Request

from classification_service.classify.schemas import inlined_schema
from classification_service.reclassify.dependencies import Reclassification, ReclassifyBody
from classification_service.reclassify.schemas import ReclassifyRequest, ReclassifyResponse
from nexus_chassis.disconnect import cancel_on_disconnect
from nexus_chassis.principal import Principal
from nexus_chassis.routing import Router
from nexus_chassis.tokens import authenticate, require

router = Router(prefix="/v1", tags=["classify"], dependencies=[Depends(require("classify"))])

_BODY = {"content": {"application/json": {"schema": inlined_schema(ReclassifyRequest)}}, "required": True}


@router.post(
    "/reclassify", summary="Codes of another version for up to 1000 products", openapi_extra={"requestBody": _BODY}
)
async def reclassify(
    request: Request,
    body: ReclassifyBody,
    reclassification: Reclassification,
    principal: Annotated[Principal, Depends(authenticate)],
) -> ReclassifyResponse:
    """Codes that are still there or moved are taken over; texts are classified whose codes were retired, or have new ones near."""
    return await cancel_on_disconnect(request, reclassification.reclassify(body, principal))
