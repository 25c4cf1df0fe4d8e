"""/v1/models: what answers, and the trained models that may."""

from fastapi import Depends

from classification_service.context import Context, ContextOfApp
from classification_service.model_registry.dependencies import Administrator, Reader, Registry
from classification_service.model_registry.models import StoredModel
from classification_service.model_registry.schemas import (
    ActivateRequest,
    ActivationOut,
    ModelId,
    ModelList,
    ModelOut,
    ReportOut,
    TrainedModelOut,
)
from classification_service.taxonomies.models import Taxonomy
from nexus_chassis.routing import Router
from nexus_chassis.tokens import require

router = Router(prefix="/v1/models", tags=["models"], dependencies=[Depends(require("classify"))])


@router.get("", summary="Models that are loaded, and trained ones")
async def list_models(context: ContextOfApp, principal: Reader) -> ModelList:
    """Each taxonomy that is loaded with its encoder and device; your trained models, and which of them serve."""
    tenant = principal.tenant or ""
    trained = await context.registry.models(tenant) if context.registry else []
    activations = await context.registry.activations(tenant) if context.registry else []
    return ModelList(
        models=_loaded(context, trained),
        trained=[_out(context, model) for model in trained],
        activations=[ActivationOut.of(activation) for activation in activations],
    )


def _loaded(context: Context, trained: list[StoredModel]) -> list[ModelOut]:
    english = context.classifier.encoder.name  # trained models answer texts whose vectors are by it
    served = {(model.line.taxonomy, model.line.version, english) for model in trained if model.serving}
    described = context.classifier.describe(context.taxonomies)
    return [
        ModelOut.model_validate(model).model_copy(
            update={"serving": (model.taxonomy, model.taxonomy_version, model.encoder) not in served}
        )
        for model in described
    ]


def _out(context: Context, model: StoredModel) -> TrainedModelOut:
    follower, line = context.model_follower, model.line
    if follower is None or not context.taxonomies.has(line.taxonomy, line.version):
        return TrainedModelOut.of(model, loaded=False)
    taxonomy = context.taxonomies.get(line.taxonomy, line.version)
    return TrainedModelOut.of(model, loaded=follower.is_open(taxonomy, line.tenant, model.id))


@router.get("/{model_id}/report", summary="What was measured of a trained model")
async def get_report(context: ContextOfApp, principal: Reader, registry: Registry, model_id: ModelId) -> ReportOut:
    """Accuracy per level, among five, calibration, coverage at 95 % precision, items a second, and what is confused."""
    model, report = await registry.report(principal.tenant or "", model_id)
    return ReportOut(model=_out(context, model), report=report)


@router.post("/{model_id}/activate", summary="Have a model answer")
async def activate_model(
    context: ContextOfApp, principal: Administrator, registry: Registry, model_id: ModelId, body: ActivateRequest
) -> ModelList:
    """Have a trained model answer your tenant's texts, or by the id of a taxonomy's own model titles and labels alone.

    Each worker process follows within a second or two. To go back, activate the model before.
    """
    if (taxonomy := _own_model(context, model_id)) is not None:
        await registry.deactivate(principal, taxonomy)
    else:
        await registry.activate(principal, model_id, force=body.force)
    return await list_models(context, principal)


def _own_model(context: Context, model_id: str) -> Taxonomy | None:
    """The taxonomy whose titles and examples have this id."""
    described = context.classifier.describe(context.taxonomies)
    found = next((model for model in described if model.id == model_id), None)
    return None if found is None else context.taxonomies.get(found.taxonomy, found.taxonomy_version)


@router.delete("/{model_id}", status_code=204, summary="Delete a trained model")
async def delete_model(principal: Administrator, registry: Registry, model_id: ModelId) -> None:
    """Delete a model that does not serve, with its files and its report."""
    await registry.delete(principal.tenant or "", model_id)
