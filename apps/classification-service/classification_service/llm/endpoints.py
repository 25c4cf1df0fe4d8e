"""GET /v1/usage."""

from typing import Annotated

from fastapi import Depends, Query

from classification_service.llm.dependencies import Usage
from classification_service.llm.schemas import UsageReport
from nexus_chassis.routing import Router
from nexus_chassis.tokens import require

MAX_DAYS = 92

router = Router(prefix="/v1/usage", tags=["usage"], dependencies=[Depends(require("admin"))])


@router.get("", summary="Calls of the language model and cached answers")
async def read_usage(usage: Usage, days: Annotated[int, Query(ge=1, le=MAX_DAYS)] = 30) -> UsageReport:
    """What they cost by day, and how much of the budget is used. For administrators (scope `admin`)."""
    return await usage.report(days)
