"""What can go wrong between the service and the language model."""

from decimal import Decimal

from classification_service.llm.models import Outcome


class CallError(Exception):
    """A call failed. `billed` is False where the server cannot have charged for it, `retry` where it is no use again."""

    def __init__(
        self,
        outcome: Outcome,
        reason: str,
        *,
        retry: bool = False,
        retry_after: float | None = None,
        billed: bool = False,
        final: bool = False,
    ) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.retry = retry
        self.retry_after = retry_after
        self.billed = billed
        self.final = final
        """Whether other calls would fail the same way: the key is refused, or the account is empty."""


class BudgetExhaustedError(Exception):
    """The budget does not hold another call: `figure` (requests, tokens or cost) of this `period` would exceed `limit`."""

    def __init__(self, period: str, figure: str, limit: Decimal) -> None:
        super().__init__(f"The budget of the language model for this {period} is used up: {figure} {limit}.")
        self.period = period
        self.figure = figure
        self.limit = limit


class NoSuchBatchError(Exception):
    """There is no batch with that id."""

    def __init__(self, batch: object) -> None:
        super().__init__(f"There is no batch {batch}.")


class TooManyQuestionsError(Exception):
    """A batch takes no more than `limit` questions."""

    def __init__(self, found: int, limit: int) -> None:
        super().__init__(f"A batch takes 1 to {limit} questions, found {found}. Make several batches.")
        self.limit = limit


class NoLedgerError(Exception):
    """There is no database that usage could be kept in."""

    def __init__(self) -> None:
        super().__init__("Usage is kept in PostgreSQL, which this service does not have. Set NEXUS_POSTGRES_URL.")
