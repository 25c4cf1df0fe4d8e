"""Translates redis-py's errors of a Redis that is away; `ResponseError` of a wrong command passes unchanged."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions

from nexus_chassis.errors import RedisUnavailableError
from nexus_chassis.store_errors import STORE_ERRORS

_AWAY = (
    OSError,
    exceptions.ConnectionError,  # also a refused password, and a Redis that loads its data
    exceptions.TimeoutError,
    exceptions.ClusterDownError,
    exceptions.NoPermissionError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
)
_REFUSALS = ("MISCONF", "NOREPLICAS")  # without a class of their own: the disk is full, replicas are missing


@contextmanager
def translate_redis_errors() -> Iterator[None]:
    """Raise RedisUnavailableError for errors of a Redis that is away or accepts no commands now."""
    try:
        yield
    except _AWAY as error:
        raise _unavailable(error) from error
    except exceptions.ResponseError as error:
        if any(refusal in str(error) for refusal in _REFUSALS):
            raise _unavailable(error) from error
        raise


def _unavailable(error: Exception) -> RedisUnavailableError:
    STORE_ERRORS.labels("redis", "away").inc()
    return RedisUnavailableError(f"Redis does not answer: {str(error) or type(error).__name__}")
