"""/v1/migrations: the tables of the models."""

from typing import Any

from fastapi import Depends, Request, Response

from dataflow_service.records.preferences import prefers_asynchrony
from dataflow_service.records.schemas import header
from dataflow_service.schema.dependencies import Migrations
from dataflow_service.schema.migration import State
from dataflow_service.schema.schemas import (
    ApplyRequest,
    DifferenceAnswer,
    Drift,
    MigrationAnswer,
    PlanAnswer,
    RollbackRequest,
    StatusAnswer,
    plan_answer,
)
from nexus_chassis.routing import Router
from nexus_chassis.tokens import require

router = Router(prefix="/v1/migrations", tags=["migrations"], dependencies=[Depends(require("data:admin"))])


@router.get("")
async def read_migrations(migrations: Migrations) -> StatusAnswer:
    """Return the plans that were applied, what is pending, and drift."""
    status = await migrations.status()
    return StatusAnswer(
        running=status.running,
        migrations=[MigrationAnswer.of(migration, running=status.running) for migration in status.migrations],
        pending=[step.statement for step in status.pending],
        drift=Drift(
            tables=list(status.unknown_tables),
            columns=list(status.unknown_columns),
            differences=[DifferenceAnswer.of(difference) for difference in status.differences],
        ),
    )


@router.post("/plan")
async def plan_migration(migrations: Migrations) -> PlanAnswer:
    """Return the steps that the tables lack, as SQL with locks and costs; nothing is changed."""
    plan = await migrations.plan()
    return plan_answer(plan.checksum, plan.steps, plan.tables, unfinished=plan.unfinished)


_BEGUN: dict[int | str, dict[str, Any]] = {
    202: {"model": MigrationAnswer, "description": "The plan is being applied; `GET /v1/migrations` has its progress"}
}
_PREFER = header("Prefer", "`respond-async` answers once the plan is begun (RFC 7240)")


@router.post("/apply", responses=_BEGUN, openapi_extra=_PREFER)
async def apply_migration(
    migrations: Migrations, body: ApplyRequest, request: Request, response: Response
) -> MigrationAnswer:
    """Apply the plan with a checksum; steps that lose data need `destructive`."""
    response.headers["Vary"] = "Prefer"
    if not prefers_asynchrony(request.headers):
        return MigrationAnswer.of(await migrations.apply(body.checksum, destructive=body.destructive))
    migration = await migrations.begin(body.checksum, destructive=body.destructive)
    if migration.state is State.APPLYING:
        response.status_code = 202
        response.headers.update({"Location": "../migrations", "Preference-Applied": "respond-async"})
    return MigrationAnswer.of(migration, running=True)


@router.post("/rollback")
async def rollback_migration(migrations: Migrations, body: RollbackRequest) -> MigrationAnswer:
    """Undo the last plan; where rows would lose data it needs `destructive`."""
    return MigrationAnswer.of(await migrations.rollback(body.checksum, destructive=body.destructive))
