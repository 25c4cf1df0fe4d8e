"""/v1/models/train and /v1/models/runs: training of models."""

from fastapi import Depends, Response

from classification_service.context import ContextOfApp
from classification_service.training_runs.dependencies import Administrator, Reader, Training
from classification_service.training_runs.schemas import AfterRun, Limit, RunId, RunOut, RunPage, TrainRequest
from nexus_chassis.routing import Router
from nexus_chassis.tokens import require

router = Router(prefix="/v1/models", tags=["models"], dependencies=[Depends(require("classify"))])


@router.post("/train", status_code=202, summary="Train a model on what people decided")
async def create_run(
    context: ContextOfApp, response: Response, principal: Administrator, training: Training, body: TrainRequest
) -> RunOut:
    """Queue a run. It trains on the decisions until it begins; the model that it makes serves once it is activated."""
    taxonomy = context.taxonomies.get(body.taxonomy, body.version)
    run = await training.create(principal, taxonomy, body.seed)
    response.headers["Location"] = f"/v1/models/runs/{run.id}"
    return RunOut.of(run, await training.presence())


@router.get("/runs", summary="Runs of training")
async def list_runs(principal: Reader, training: Training, *, after: AfterRun = None, limit: Limit = 20) -> RunPage:
    """Your tenant's runs, the latest first."""
    runs, following = await training.page(principal.tenant or "", after, limit)
    presence = await training.presence()
    return RunPage(items=[RunOut.of(run, presence) for run in runs], next=following)


@router.get("/runs/{run_id}", summary="One run of training")
async def get_run(principal: Reader, training: Training, run_id: RunId) -> RunOut:
    """How far a run is, and the model that it made."""
    run = await training.get(principal.tenant or "", run_id)
    return RunOut.of(run, await training.presence())


@router.delete("/runs/{run_id}", status_code=204, summary="Cancel a run of training")
async def end_run(principal: Administrator, training: Training, run_id: RunId) -> None:
    """Cancel a run that is not finished; forget one that has ended. A model that it made stays."""
    await training.end(principal.tenant or "", run_id)
