"""The requests and answers about migrations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from dataflow_service.schema import steps as steps_of
from dataflow_service.schema.drift import Difference
from dataflow_service.schema.migration import Migration, State
from dataflow_service.schema.steps import Step, Transaction, Work
from dataflow_service.schema.tables import Schema
from nexus_chassis.schemas import RequestModel


class ApplyRequest(RequestModel):
    """Which plan to apply: `checksum` is that of the plan that was shown."""

    checksum: str = Field(pattern=r"^[0-9a-f]{64}$")
    destructive: bool = False


class RollbackRequest(RequestModel):
    """That the last plan is to be undone; `checksum` says which one that is expected to be."""

    checksum: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    destructive: bool = False


class Cost(BaseModel):
    """What a step has to do: `work` in a table of about so many rows, with so many bytes. Null: there is no estimate."""

    work: Work
    rows: int | None
    bytes: int


class StepAnswer(BaseModel):
    """One step of a plan."""

    action: str
    table: str
    sql: str
    lock: str
    transaction: Transaction
    destructive: bool
    reversible: bool
    cost: Cost

    @classmethod
    def of(cls, step: Step, tables: Schema) -> Self:
        """Describe a step; `tables` are those that there are."""
        table = tables.get(step.table)
        cost = Cost(work=step.work, rows=table.rows if table else 0, bytes=table.size if table else 0)
        return cls(
            action=step.action,
            table=step.table,
            sql=step.statement,
            lock=step.lock,
            transaction=step.transaction,
            destructive=step.destructive,
            reversible=step.undo is not None or not step.destructive,
            cost=cost,
        )


class PlanAnswer(BaseModel):
    """A plan: `text` is its SQL; `unfinished` says that some of its steps are in effect already."""

    checksum: str
    unfinished: bool
    destructive: bool
    steps: list[StepAnswer]
    text: str


class ProgressAnswer(BaseModel):
    """How one step goes: `done`, `running`, `interrupted`, `failed` with its `error`, `pending`, or `undone` by a rollback."""

    action: str
    table: str
    state: str
    started_at: datetime | None
    seconds: float | None
    error: str | None

    @classmethod
    def of(cls, migration: Migration, number: int, *, running: bool) -> Self:
        """Describe a step of a plan, by its number from 1; `running` says whether somebody changes tables now."""
        step, entry = migration.steps[number - 1], migration.progress.get(number)
        return cls(
            action=step.action,
            table=step.table,
            state=_state(migration, number, running=running),
            started_at=None if entry is None else entry.started_at,
            seconds=None if entry is None else entry.seconds,
            error=None if entry is None else entry.error,
        )


def _state(migration: Migration, number: int, *, running: bool) -> str:
    entry = migration.progress.get(number)
    if number <= migration.done:
        return "done"
    if migration.state in {State.ROLLING_BACK, State.ROLLED_BACK}:
        return "undone"
    if entry is None:
        return "pending"
    if entry.error is not None:
        return "failed"
    return "running" if running else "interrupted"


class MigrationAnswer(BaseModel):
    """A plan in the ledger; `done` of its `steps` are in effect. `file` names the file that it was applied from, if any."""

    checksum: str
    file: str | None
    state: str
    steps: int
    done: int
    started_at: datetime
    applied_at: datetime | None
    rolled_back_at: datetime | None
    text: str
    progress: list[ProgressAnswer]

    @classmethod
    def of(cls, migration: Migration, *, running: bool = False) -> Self:
        """Describe a plan; `running` says whether somebody changes tables now."""
        numbers = range(1, len(migration.steps) + 1)
        return cls(
            checksum=migration.checksum,
            file=migration.file,
            state=migration.state,
            steps=len(migration.steps),
            done=migration.done,
            started_at=migration.started_at,
            applied_at=migration.applied_at,
            rolled_back_at=migration.rolled_back_at,
            text=migration.text,
            progress=[ProgressAnswer.of(migration, number, running=running) for number in numbers],
        )


class DifferenceAnswer(BaseModel):
    """A part of a table that is not as the last plan declared it. Null: nobody declared it, or it is missing."""

    table: str
    part: str
    name: str
    declared: str | None
    found: str | None

    @classmethod
    def of(cls, difference: Difference) -> Self:
        """Describe a difference."""
        return cls(
            table=difference.table,
            part=difference.part,
            name=difference.name,
            declared=difference.declared,
            found=difference.found,
        )


class Drift(BaseModel):
    """What was changed by hand: tables and columns that neither the models nor the last plan declares, and what differs."""

    tables: list[str]
    columns: list[str]
    differences: list[DifferenceAnswer]


class StatusAnswer(BaseModel):
    """Whether tables are changed now, the plans of the ledger, the last one first, the SQL of pending steps, and drift."""

    running: bool
    migrations: list[MigrationAnswer]
    pending: list[str]
    drift: Drift


def plan_answer(checksum: str, steps: Sequence[Step], tables: Schema, *, unfinished: bool) -> PlanAnswer:
    """Describe a plan."""
    return PlanAnswer(
        checksum=checksum,
        unfinished=unfinished,
        destructive=any(step.destructive for step in steps),
        steps=[StepAnswer.of(step, tables) for step in steps],
        text=steps_of.text(steps),
    )
