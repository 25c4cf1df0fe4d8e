"""What the endpoint of usage depends on."""

from typing import Annotated

from fastapi import Depends

from classification_service.context import ContextOfApp
from classification_service.llm.usage import UsageService


async def get_usage(context: ContextOfApp) -> UsageService:
    """The service that reports usage."""
    return context.usage


Usage = Annotated[UsageService, Depends(get_usage)]
