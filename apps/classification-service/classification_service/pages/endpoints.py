"""GET /pages/review and /pages/jobs, which the gateway serves under /pages/classification; and /pages/static."""

from pathlib import Path

from fastapi import Depends, Request, Response

from classification_service.context import ContextOfApp
from classification_service.jobs.schemas import AfterJob
from classification_service.pages.dependencies import JobPagesOfOwner, ReviewPagesOfApp, ScopeOfPage
from classification_service.pages.wording import share
from classification_service.review.schemas import AfterQuery
from nexus_chassis.disconnect import cancel_on_disconnect
from nexus_chassis.pages.service_pages import ServicePages, files_router
from nexus_chassis.tokens import require

_FOLDER = Path(__file__).parent
_pages = ServicePages(_FOLDER / "templates")
router = _pages.router()
files = files_router(_FOLDER / "static")
_classifying = [Depends(require("classify"))]


@router.get("/review", dependencies=_classifying)
async def show_review(
    request: Request, pages: ReviewPagesOfApp, scope: ScopeOfPage, *, after: AfterQuery | None = None
) -> Response:
    """Page of the review queue: one row after the other with JavaScript, a list without."""
    review = await cancel_on_disconnect(request, pages.read(scope, after))
    return _pages.render(request, "review.html", review=review, share=share, is_first=after is None)


@router.get("/jobs", dependencies=_classifying)
async def show_jobs(
    request: Request, pages: JobPagesOfOwner, context: ContextOfApp, *, after: AfterJob = None
) -> Response:
    """Page of one's jobs, with a form for the next one."""
    jobs = await cancel_on_disconnect(request, pages.read(after))
    has_language_model = context.settings.openai_api_key_file is not None
    return _pages.render(request, "jobs.html", jobs=jobs, is_first=after is None, has_language_model=has_language_model)
