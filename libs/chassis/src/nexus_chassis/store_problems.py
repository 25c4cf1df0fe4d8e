"""What every application answers while a store is away or all its connections are in use."""

from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError, RedisUnavailableError
from nexus_chassis.problems import Problem, ProblemMap

_RETRY = {"Retry-After": "2"}


def _database_unavailable(_: DatabaseUnavailableError) -> Problem:
    detail = (
        "The database does not answer now. A change that was under way may or may not have been made: "
        "read before you repeat it, in 2 seconds."
    )
    return Problem(503, "database-unavailable", "The database is unavailable", detail, headers=_RETRY)


def _store_unavailable(_: RedisUnavailableError) -> Problem:
    detail = "The store of sessions and events does not answer now. Try again in 2 seconds."
    return Problem(503, "store-unavailable", "A store is unavailable", detail, headers=_RETRY)


def _overloaded(error: PoolExhaustedError) -> Problem:
    detail = f"All connections to {error.store} were in use for {error.seconds:g} s. Try again in 2 seconds."
    return Problem(503, "overloaded", "The service is overloaded", detail, headers=_RETRY)


STORE_PROBLEMS: ProblemMap = (
    (DatabaseUnavailableError, _database_unavailable),
    (RedisUnavailableError, _store_unavailable),
    (PoolExhaustedError, _overloaded),
)
