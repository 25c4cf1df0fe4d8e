"""What can be wrong with a request for many rows."""

from dataflow_service.records.errors import (
    Fault,
    NoRelatedRowError,
    NoSuchRowError,
    NotStorableError,
    NotUniqueError,
    ReferencedError,
)

type Refusal = NoRelatedRowError | NoSuchRowError | NotStorableError | NotUniqueError | ReferencedError
"""Why the database refuses a row."""


class RefusedRowError(Exception):
    """The database refuses a row because of `cause`; `fault` says where it was sent."""

    def __init__(self, cause: Refusal, fault: Fault) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.fault = fault


class StreamTooLongError(Exception):
    """A stream has more rows than one request may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"One request takes {limit} rows; the stream has more. Send it in parts.")
        self.limit = limit


class BulkTimeoutError(Exception):
    """A stream of rows takes longer than the `seconds` that it may."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"A stream of rows may take {seconds:g} s. Send or ask for the rows in parts.")
        self.seconds = seconds
