"""/v1/migrations: the tables of the models."""

from fastapi import Depends

from dataflow_service.schema.dependencies import Migrations
from dataflow_service.schema.migration import Migration
from dataflow_service.schema.schemas import (
    ApplyRequest,
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
        migrations=[_answer(migration) for migration in status.migrations],
        pending=[step.statement for step in status.pending],
        drift=Drift(tables=list(status.unknown_tables), columns=list(status.unknown_columns)),
    )


@router.post("/plan")
async def plan_migration(migrations: Migrations) -> PlanAnswer:
    """Return the steps that the tables lack, as SQL with locks and costs; nothing is changed."""
    plan = await migrations.plan()
    return plan_answer(plan.checksum, plan.steps, plan.tables, unfinished=plan.unfinished)


@router.post("/apply")
async def apply_migration(migrations: Migrations, body: ApplyRequest) -> MigrationAnswer:
    """Apply the plan with a checksum; steps that lose data need `destructive`."""
    return _answer(await migrations.apply(body.checksum, destructive=body.destructive))


@router.post("/rollback")
async def rollback_migration(migrations: Migrations, body: RollbackRequest) -> MigrationAnswer:
    """Undo the last plan; where rows would lose data it needs `destructive`."""
    return _answer(await migrations.rollback(body.checksum, destructive=body.destructive))


def _answer(migration: Migration) -> MigrationAnswer:
    return MigrationAnswer(
        checksum=migration.checksum,
        state=migration.state,
        steps=len(migration.steps),
        done=migration.done,
        started_at=migration.started_at,
        applied_at=migration.applied_at,
        rolled_back_at=migration.rolled_back_at,
        text=migration.text,
    )
