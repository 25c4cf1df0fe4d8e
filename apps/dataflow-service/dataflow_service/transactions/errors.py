"""What can be wrong with a transaction."""

from dataflow_service.records.errors import (
    NoRelatedRowError,
    NoSuchRowError,
    NotStorableError,
    NotUniqueError,
    ReferencedError,
    TooManyMatchesError,
    TooManyRelatedError,
    TooManyRowsError,
)

REFUSALS = (
    NoRelatedRowError,
    NoSuchRowError,
    NotStorableError,
    NotUniqueError,
    ReferencedError,
    TooManyMatchesError,
    TooManyRelatedError,
    TooManyRowsError,
)
"""Why an operation whose parameters are valid cannot be done."""


class OperationRefusedError(Exception):
    """An operation of a transaction cannot be done, so nothing was. `place` is that of the operation, `refusal` the reason."""

    def __init__(self, place: tuple[str | int, ...], refusal: Exception) -> None:
        super().__init__(f"{'/'.join(map(str, place))}: {refusal}")
        self.place = place
        self.refusal = refusal


class TooManyChangesError(Exception):
    """The operations of a transaction change more rows together than they may; none was changed."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The operations change more than {limit} rows together. Nothing was done. Send them in several transactions."
        )
        self.limit = limit
