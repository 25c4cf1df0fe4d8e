"""What the endpoints of pages are given."""

from typing import Annotated

from fastapi import Depends

from classification_service.context import ContextOfApp
from classification_service.feedback.dependencies import get_feedback
from classification_service.jobs.dependencies import OwnerOfJobs
from classification_service.pages.service import FIRST, JobPages, ReviewPages
from classification_service.review.dependencies import get_review
from classification_service.review.models import Scope
from classification_service.review.schemas import TaxonomyQuery, VersionQuery
from nexus_chassis.principal import Principal
from nexus_chassis.tokens import authenticate


async def get_review_pages(context: ContextOfApp) -> ReviewPages:
    """Return what the page of the review queue shows; raises NoDatabaseError where there is none."""
    return ReviewPages(context.taxonomies, await get_review(context), await get_feedback(context))


async def get_job_pages(context: ContextOfApp, owner: OwnerOfJobs) -> JobPages:
    """Return what the page of jobs shows."""
    return JobPages(context.jobs, context.taxonomies, owner)


async def get_scope(
    context: ContextOfApp,
    principal: Annotated[Principal, Depends(authenticate)],
    taxonomy: TaxonomyQuery = FIRST,
    version: VersionQuery | None = None,
) -> Scope:
    """Return the version that the address names, and the tenant of who asks; raises UnknownTaxonomyError."""
    loaded = context.taxonomies.get(taxonomy, version)
    return Scope(loaded.name, loaded.version, principal.tenant or "")


ReviewPagesOfApp = Annotated[ReviewPages, Depends(get_review_pages)]
JobPagesOfOwner = Annotated[JobPages, Depends(get_job_pages)]
ScopeOfPage = Annotated[Scope, Depends(get_scope)]
