"""Problems for stores that are away or busy: what each service answers unless it says otherwise."""

from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError, RedisUnavailableError
from nexus_chassis.problems import Problem, ProblemMap

_RETRY = {"Retry-After": "2"}


def _database_unavailable(_: DatabaseUnavailableError) -> Problem:
    return Problem(
        503,
        "database-unavailable",
        "The database is unavailable",
        "The database does not answer now. A change that was under way may or may not have been made: "
        "read it again in a few seconds, then repeat what is missing.",
        headers=_RETRY,
    )


def _redis_unavailable(_: RedisUnavailableError) -> Problem:
    detail = "Redis does not answer now. Try again in a few seconds."
    return Problem(503, "store-unavailable", "A store is unavailable", detail, headers=_RETRY)


def _pool_exhausted(_: PoolExhaustedError) -> Problem:
    detail = "All connections of the service to its store are busy. Try again in a few seconds."
    return Problem(503, "overloaded", "The service is overloaded", detail, headers=_RETRY)


STORE_PROBLEMS: ProblemMap = (
    (DatabaseUnavailableError, _database_unavailable),
    (RedisUnavailableError, _redis_unavailable),
    (PoolExhaustedError, _pool_exhausted),
)
