"""What the endpoints of training depend on."""

from typing import Annotated

from fastapi import Depends

from classification_service.context import ContextOfApp
from classification_service.taxonomies.errors import NoDatabaseError
from classification_service.training_runs.service import TrainingService
from nexus_chassis.principal import Principal
from nexus_chassis.tokens import authenticate, require


async def get_training(context: ContextOfApp) -> TrainingService:
    """The service of runs; raises NoDatabaseError where there are none."""
    if context.training is None:
        raise NoDatabaseError
    return context.training


Training = Annotated[TrainingService, Depends(get_training)]
Reader = Annotated[Principal, Depends(authenticate)]
Administrator = Annotated[Principal, Depends(require("admin"))]
"""Who may have models trained."""
