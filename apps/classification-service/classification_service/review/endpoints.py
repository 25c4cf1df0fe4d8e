"""GET /v1/review."""

from typing import Annotated

from fastapi import Depends

from classification_service.context import ContextOfApp
from classification_service.review.dependencies import Review
from classification_service.review.models import START, Place, Scope
from classification_service.review.schemas import (
    AfterQuery,
    LimitQuery,
    ReviewPage,
    ReviewRow,
    TaxonomyQuery,
    VersionQuery,
)
from nexus_chassis.principal import Principal
from nexus_chassis.routing import Router
from nexus_chassis.tokens import authenticate, require

router = Router(prefix="/v1/review", tags=["review"], dependencies=[Depends(require("classify"))])


@router.get("", summary="Uncertain answers, the most useful first")
async def list_review(
    review: Review,
    context: ContextOfApp,
    principal: Annotated[Principal, Depends(authenticate)],
    *,
    taxonomy: TaxonomyQuery,
    version: VersionQuery | None = None,
    after: AfterQuery | None = None,
    limit: LimitQuery = 50,
) -> ReviewPage:
    """What was asked with `review`, and no person has decided: what is uncertain and asked for often comes first."""
    loaded = context.taxonomies.get(taxonomy, version)
    place = START if after is None else Place.parse(after)
    scope = Scope(loaded.name, loaded.version, principal.tenant or "")
    rows, following, total = await review.page(scope, place, limit)
    return ReviewPage(
        taxonomy=loaded.name,
        version=loaded.version,
        rows=total,
        items=[ReviewRow.of(row, loaded) for row in rows],
        next=None if following is None else str(following),
    )
