"""Why the tables of the models cannot be changed now, or not this way."""

from collections.abc import Sequence

from dataflow_service.schema.steps import Step, Steps, text


class MigrationError(Exception):
    """A plan cannot be made, applied or rolled back. Nothing was changed, or the text says what was."""


class MigrationRunningError(MigrationError):
    """Another process changes the tables."""

    def __init__(self) -> None:
        super().__init__("Another process applies or rolls back a plan now. Read the status until it has ended.")


class ChecksumMismatchError(MigrationError):
    """The plan is not the one that was shown."""

    def __init__(self, sent: str, found: str) -> None:
        super().__init__(
            f"The plan has the checksum {found}, not {sent}: the models or the tables changed since it was shown. "
            "Plan again, and apply what is shown then."
        )
        self.found = found


class DestructiveStepsError(MigrationError):
    """Steps would lose data, and that was not allowed."""

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__(
            f"These steps lose data: {'; '.join(step.statement for step in steps)}. "
            "Allow it with the flag `destructive`, or keep in the models what has the data. "
            "A renamed field is a column to drop and one to add: copy the data before."
        )
        self.statements = tuple(step.statement for step in steps)


class InvalidExpressionError(MigrationError):
    """PostgreSQL refuses the expression of a computed field."""

    def __init__(self, field: str, expression: str, reason: str) -> None:
        super().__init__(
            f"PostgreSQL refuses the expression of {field}, ({expression}): {reason}. Correct it in `__computed__`."
        )


class RowsLackValueError(MigrationError):
    """A new column may not be null and has no default, but there are rows."""

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        super().__init__(
            f"The new column {', '.join(columns)} of {table} may not be null and has no default, but the table has rows. "
            "Give the field a default, or let it be null."
        )


class TableLockedError(MigrationError):
    """A table stayed locked by somebody else."""

    def __init__(self, step: Step, seconds: float, outcome: str) -> None:
        super().__init__(
            f"The table {step.table} stayed in use by another transaction for {seconds:g} s, so that "
            f"`{step.statement}` did not get its lock. {outcome}"
        )


class StepFailedError(MigrationError):
    """PostgreSQL refuses a step."""

    def __init__(self, step: Step, reason: str, outcome: str) -> None:
        super().__init__(f"`{step.statement}` failed: {reason}. {outcome}")


class StepTooSlowError(MigrationError):
    """A step was cancelled; what it left is removed when the plan goes on or is rolled back."""

    def __init__(self, step: Step, seconds: float) -> None:
        super().__init__(
            f"`{step.statement}` was cancelled after {seconds:g} s. Look for long transactions, which an index waits for; "
            "then apply the same plan again, or roll it back."
        )


class NothingToRollBackError(MigrationError):
    """No plan with steps is applied."""

    def __init__(self) -> None:
        super().__init__("No applied plan has steps to roll back.")


class IrreversibleError(MigrationError):
    """The data that a plan dropped does not come back."""

    def __init__(self, steps: Steps) -> None:
        super().__init__(
            f"The plan cannot be rolled back, because it dropped data:\n{text(steps)}\n"
            "Restore the data from a backup, and declare in the models what shall hold it."
        )


class RollbackUnfinishedError(MigrationError):
    """A rollback was interrupted, and comes first."""

    def __init__(self, checksum: str) -> None:
        super().__init__(
            f"The rollback of the plan {checksum} was interrupted. Roll it back again to finish that first."
        )
