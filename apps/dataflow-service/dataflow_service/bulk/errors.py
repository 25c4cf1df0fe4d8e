"""What can be wrong with a request for many rows."""

from dataflow_service.records.errors import Fault, RefusalError


class RefusedRowError(Exception):
    """The database refuses a row because of `cause`; `fault` says where it was sent."""

    def __init__(self, cause: RefusalError, fault: Fault) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.fault = fault


class StreamTooLongError(Exception):
    """A stream has more rows than one request may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"One request takes {limit} rows; the stream has more. Send it in parts.")
        self.limit = limit


class NoParquetError(Exception):
    """Rows are asked for as Parquet, and this installation cannot write it."""

    def __init__(self) -> None:
        super().__init__(
            "This installation has no pyarrow, which writes Parquet: it is the extra `parquet` of dataflow-service and would "
            "make the image 170 MB larger. Add `pyarrow` to the dependencies in apps/dataflow-service/pyproject.toml, then run "
            "`make lock` and `make build`; or ask for format=ndjson or format=csv."
        )


class BeyondFormatError(Exception):
    """A row has a date or a moment that Parquet has not."""

    def __init__(self, field: str, value: str) -> None:
        super().__init__(
            f"A row has {value} in the field {field}, and Parquet has the years 1 to 9999. Ask for other rows by a filter, for "
            "other fields, or for format=ndjson or format=csv."
        )


class BulkTimeoutError(Exception):
    """A stream of rows takes longer than the `seconds` that it may."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"A stream of rows may take {seconds:g} s. Send or ask for the rows in parts.")
        self.seconds = seconds
