"""What the endpoint of the review queue depends on."""

from typing import Annotated

from fastapi import Depends

from classification_service.context import ContextOfApp
from classification_service.review.service import ReviewQueue
from classification_service.taxonomies.errors import NoDatabaseError


async def get_review(context: ContextOfApp) -> ReviewQueue:
    """The review queue; raises NoDatabaseError where there is none."""
    if context.review is None:
        raise NoDatabaseError
    return context.review


Review = Annotated[ReviewQueue, Depends(get_review)]
