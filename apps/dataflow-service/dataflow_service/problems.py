"""The answers (RFC 9457) to the errors of the services."""

from dataflow_service.nodes.errors import MissingScopeError, NoSuchNodeError
from dataflow_service.records.errors import (
    InvalidRowError,
    NoSuchRowError,
    NotStorableError,
    NotUniqueError,
    TooManyMatchesError,
    TooManyRowsError,
)
from dataflow_service.registry.errors import NoSuchModelError
from nexus_chassis.challenges import forbidden
from nexus_chassis.problems import Problem


def _no_such_model(error: NoSuchModelError) -> Problem:
    return Problem(404, "no-such-model", "There is no such model", str(error))


def _no_such_node(error: NoSuchNodeError) -> Problem:
    return Problem(404, "no-such-node", "There is no such node", str(error))


def _missing_scope(error: MissingScopeError) -> Problem:
    return forbidden({error.scope})


def _no_such_row(error: NoSuchRowError) -> Problem:
    return Problem(404, "no-such-row", "There is no such row", str(error))


def _not_unique(error: NotUniqueError) -> Problem:
    return Problem(409, "not-unique", "The value is taken", str(error), fields=list(error.fields))


def _too_many_rows(error: TooManyRowsError) -> Problem:
    title = "There are too many rows in one request"
    return Problem(413, "too-many-rows", title, str(error), limit=error.limit)


def _too_many_matches(error: TooManyMatchesError) -> Problem:
    return Problem(422, "too-many-matches", "The filter selects too many rows", str(error), limit=error.limit)


def _not_storable(error: NotStorableError) -> Problem:
    return Problem(422, "not-storable", "The database refuses the value", str(error))


def _invalid_row(error: InvalidRowError) -> Problem:
    faults = [{"pointer": "/" + "/".join(map(str, fault.place)), "detail": fault.text} for fault in error.faults]
    detail = "; ".join(f"{fault['pointer']}: {fault['detail']}" for fault in faults)
    return Problem(422, "invalid-request", "The request is not valid", detail, errors=faults)


PROBLEMS = (
    (NoSuchModelError, _no_such_model),
    (NoSuchNodeError, _no_such_node),
    (MissingScopeError, _missing_scope),
    (NoSuchRowError, _no_such_row),
    (NotUniqueError, _not_unique),
    (TooManyRowsError, _too_many_rows),
    (TooManyMatchesError, _too_many_matches),
    (NotStorableError, _not_storable),
    (InvalidRowError, _invalid_row),
)
