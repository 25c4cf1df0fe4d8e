"""What the endpoints of training take and answer."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Path, Query
from pydantic import BaseModel, Field

from classification_service.training_runs.models import Presence, Run
from nexus_chassis.schemas import RequestModel

NO_TRAINER = (
    "No trainer has shown itself lately, so that this run waits. Start one: docker compose --file docker-compose.production.yml "
    "--profile training up --detach classification-trainer"
)

type RunId = Annotated[UUID, Path()]
type AfterRun = Annotated[UUID | None, Query(description="the `next` of the page before")]
type Limit = Annotated[int, Query(ge=1, le=100)]


class TrainRequest(RequestModel):
    """What to train: a model of a taxonomy's version, on the codes that your tenant's people have chosen for it."""

    taxonomy: Annotated[str, Field(pattern=r"^[a-z]{1,40}$")]
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")] | None = Field(
        default=None, description="the default where it is left out"
    )
    seed: Annotated[int, Field(ge=0, lt=2**31, description="the same labels and seed give the same model")] = 1


class TrainerOut(BaseModel):
    """Whether there is a trainer; `notice` says what to do where there is none."""

    running: bool
    seen_at: datetime | None
    notice: str | None

    @classmethod
    def of(cls, presence: Presence) -> "TrainerOut":
        """What is answered of the trainers."""
        return cls(running=presence.running, seen_at=presence.seen_at, notice=None if presence.running else NO_TRAINER)


class RunOut(BaseModel):
    """A run of training. `share` of it is done; `labels` are the chosen codes that it trains on, once it has begun.

    `model` is what it made, `error` why it made none, `faults` what ended earlier attempts.
    """

    id: UUID
    taxonomy: str
    version: str
    seed: int
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    share: float
    attempts: int
    labels: int | None
    model: str | None
    error: str | None
    faults: list[str]
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    trainer: TrainerOut

    @classmethod
    def of(cls, run: Run, presence: Presence) -> "RunOut":
        """What is answered of a run."""
        return cls(
            id=run.id,
            taxonomy=run.line.taxonomy,
            version=run.line.version,
            seed=run.seed,
            state=run.state,
            share=round(run.share, 3),
            attempts=run.attempts,
            labels=run.labels,
            model=run.model,
            error=run.error,
            faults=list(run.faults),
            requested_by=run.requested_by,
            created_at=run.created_at,
            started_at=run.started_at,
            ended_at=run.ended_at,
            trainer=TrainerOut.of(presence),
        )


class RunPage(BaseModel):
    """Runs, the latest first; `next` is the `after` of the next page, null on the last."""

    items: list[RunOut]
    next: UUID | None
