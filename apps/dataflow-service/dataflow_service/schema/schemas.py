"""The requests and answers about migrations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from dataflow_service.schema import steps as steps_of
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


class MigrationAnswer(BaseModel):
    """A plan in the ledger; `done` of its `steps` are in effect."""

    checksum: str
    state: str
    steps: int
    done: int
    started_at: datetime
    applied_at: datetime | None
    rolled_back_at: datetime | None
    text: str


class Drift(BaseModel):
    """What the schema has that neither the models nor the last plan declares."""

    tables: list[str]
    columns: list[str]


class StatusAnswer(BaseModel):
    """The plans of the ledger, the last one first, the SQL of pending steps, and drift."""

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
