"""Translates asyncpg's errors of a PostgreSQL that is away; errors of a statement itself pass unchanged."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from nexus_chassis.errors import DatabaseUnavailableError
from nexus_chassis.store_errors import STORE_ERRORS

DATABASE_AWAY = (
    OSError,  # refused, reset, unreachable; TimeoutError is one too
    asyncpg.InterfaceError,  # the connection was closed under the statement
    asyncpg.InternalClientError,  # the server ended the session, and the end of the connection is not noticed yet
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up
    asyncpg.InsufficientResourcesError,  # too many connections, disk or memory full
)
"""What asyncpg raises while PostgreSQL is away."""


@contextmanager
def translate_database_errors() -> Iterator[None]:
    """Raise DatabaseUnavailableError for errors of a PostgreSQL that is away."""
    try:
        yield
    except DATABASE_AWAY as error:
        raise database_unavailable(error) from error


def database_unavailable(error: BaseException) -> DatabaseUnavailableError:
    """The error to raise in place of one of `DATABASE_AWAY`."""
    STORE_ERRORS.labels("postgresql", "away").inc()
    return DatabaseUnavailableError(f"PostgreSQL does not answer: {str(error) or type(error).__name__}")
