"""What the endpoints of models take and answer."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from classification_service.model_registry.models import Activation, StoredModel
from nexus_chassis.schemas import RequestModel

type ModelId = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9+._-]{0,99}$", description="as GET /v1/models names it")
]


class ModelOut(BaseModel):
    """The titles, examples and labels of a taxonomy that is loaded: `id` is the model_version of answers by them alone.

    `device` is what it computes on; `serving` is False where a trained model answers. `languages` are those of the texts
    that it was trained on, as first subtags of BCP 47 tags.
    """

    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: Literal["title-index"] = "title-index"
    taxonomy: str
    taxonomy_version: str
    encoder: str
    dimension: int
    device: str
    threads: int
    languages: list[str]
    serving: bool = True


class AccuracyOut(BaseModel):
    """The share of the validation rows that a model answers rightly, at the deepest level that was measured."""

    model_config = ConfigDict(from_attributes=True)

    level: str
    share: float


class TrainedModelOut(BaseModel):
    """A trained model: the model_version of its answers begins with `id`. `parent` served when it was trained.

    `serving` says whether it is to answer, `loaded` whether it does in the process that got the request.
    """

    id: str
    kind: Literal["trained"] = "trained"
    taxonomy: str
    taxonomy_version: str
    serving: bool
    loaded: bool
    accuracy: AccuracyOut | None
    labels: int = Field(description="codes that people had chosen, which it was trained and validated on")
    seed: int
    parent: str | None
    bytes: int
    created_by: str
    created_at: datetime

    @classmethod
    def of(cls, model: StoredModel, *, loaded: bool) -> "TrainedModelOut":
        """What is answered of a model."""
        origin = model.origin
        return cls(
            id=model.id,
            taxonomy=model.line.taxonomy,
            taxonomy_version=model.line.version,
            serving=model.serving,
            loaded=loaded,
            accuracy=None if model.accuracy is None else AccuracyOut.model_validate(model.accuracy),
            labels=origin.labels,
            seed=origin.seed,
            parent=origin.parent,
            bytes=model.bytes,
            created_by=origin.created_by,
            created_at=model.created_at,
        )


class ActivationOut(BaseModel):
    """Who had which model answer when; null for titles, examples and labels alone."""

    taxonomy: str
    taxonomy_version: str
    model: str | None
    forced: bool
    activated_by: str
    activated_at: datetime

    @classmethod
    def of(cls, activation: Activation) -> "ActivationOut":
        """What is answered of an activation."""
        return cls(
            taxonomy=activation.line.taxonomy,
            taxonomy_version=activation.line.version,
            model=activation.model,
            forced=activation.forced,
            activated_by=activation.activated_by,
            activated_at=activation.activated_at,
        )


class ModelList(BaseModel):
    """What is loaded, your trained models and your latest activations, the latest first."""

    models: list[ModelOut]
    trained: list[TrainedModelOut]
    activations: list[ActivationOut]


class ReportOut(BaseModel):
    """A model, and what was measured of it on rows that it was not trained on."""

    model: TrainedModelOut
    report: dict[str, Any] = Field(
        description="rows; levels: accuracy, accuracy_at_5, calibration_error, coverage_at_95 of each, and reliability: "
        "[mean confidence, share of right answers, number] in tenths of confidence; items_per_second; "
        "confusion: [wanted, given, count]"
    )


class ActivateRequest(RequestModel):
    """`force` activates a model although it is worse than the one that serves."""

    force: bool = False
