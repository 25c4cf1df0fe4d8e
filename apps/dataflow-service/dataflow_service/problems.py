"""The answers (RFC 9457) to the errors of the services."""

from collections.abc import Iterable

from dataflow_service.records.errors import (
    InvalidQueryError,
    InvalidRowError,
    NoSuchRowError,
    NotComputableError,
    NotStorableError,
    NotUniqueError,
    QueryTimeoutError,
    TooManyRowsError,
)
from dataflow_service.registry.errors import NoSuchModelError
from nexus_chassis.problems import Problem


def _no_such_model(error: NoSuchModelError) -> Problem:
    return Problem(404, "no-such-model", "There is no such model", str(error))


def _no_such_row(error: NoSuchRowError) -> Problem:
    return Problem(404, "no-such-row", "There is no such row", str(error))


def _not_unique(error: NotUniqueError) -> Problem:
    return Problem(409, "not-unique", "The value is taken", str(error), fields=list(error.fields))


def _too_many_rows(error: TooManyRowsError) -> Problem:
    title = "There are too many rows in one request"
    return Problem(413, "too-many-rows", title, str(error), limit=error.limit)


def _not_storable(error: NotStorableError) -> Problem:
    return Problem(422, "not-storable", "The database refuses the value", str(error))


def _query_timeout(error: QueryTimeoutError) -> Problem:
    return Problem(503, "query-timeout", "The query takes too long", str(error))


def _not_computable(error: NotComputableError) -> Problem:
    return Problem(422, "not-computable", "The result cannot be computed", str(error))


def _invalid_request(error: InvalidRowError | InvalidQueryError) -> Problem:
    faults = [{"pointer": _pointer(fault.place), "detail": fault.text} for fault in error.faults]
    detail = "; ".join(f"{fault['pointer']}: {fault['detail']}" for fault in faults)
    return Problem(422, "invalid-request", "The request is not valid", detail, errors=faults)


def _pointer(place: Iterable[str | int]) -> str:
    """Return a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)


PROBLEMS = (
    (NoSuchModelError, _no_such_model),
    (NoSuchRowError, _no_such_row),
    (NotUniqueError, _not_unique),
    (TooManyRowsError, _too_many_rows),
    (NotStorableError, _not_storable),
    (QueryTimeoutError, _query_timeout),
    (NotComputableError, _not_computable),
    (InvalidRowError, _invalid_request),
    (InvalidQueryError, _invalid_request),
)
