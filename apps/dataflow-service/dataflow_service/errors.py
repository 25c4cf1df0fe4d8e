"""What the database says, as problems that callers can act on."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from dataflow_service.catalogue.schemas import Model
from nexus_chassis.problems import Problem

_RETRY_SECONDS = 2
_AWAY = (
    OSError,  # refused, reset, unreachable; TimeoutError is one too
    asyncpg.InterfaceError,  # the connection closed under the statement
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up
    asyncpg.InsufficientResourcesError,
)
_REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


@contextmanager
def database_problems(model: Model) -> Iterator[None]:
    """Turn database errors inside the block into problems.

    Raises:
        Problem: 409 for a value that must be unique, 422 for one that cannot be stored, 503 when the database is away.
    """
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise _conflict(model, error) from error
    except _REFUSED as error:
        raise _refused(error) from error
    except _AWAY as error:
        raise _away() from error


def _conflict(model: Model, error: asyncpg.UniqueViolationError) -> Problem:
    fields: list[str] = next((index["fields"] for index in model.indexes if index["name"] == error.constraint_name), [])
    detail = (
        f"Another {model.path} has the same {' and '.join(fields) or 'unique value'}: {error.detail} "
        "Send another value, or change the row that has it."
    )
    return Problem(409, "not-unique", "The value is taken", detail, fields=fields)


def _refused(error: asyncpg.PostgresError) -> Problem:
    return Problem(422, "not-storable", "The database refuses the value", f"{error}. Send another value.")


def _away() -> Problem:
    return Problem(
        503,
        "database-unavailable",
        "The database is unavailable",
        "The database does not answer now. A change that was under way may or may not have been made: "
        f"read the rows in {_RETRY_SECONDS} seconds, then repeat what is missing.",
        headers={"Retry-After": str(_RETRY_SECONDS)},
    )
