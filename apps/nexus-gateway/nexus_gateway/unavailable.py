"""What the gateway answers while a store is away."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from redis.exceptions import RedisError

from nexus_chassis.problems import Problem

_POSTGRES_AWAY = (
    OSError,  # includes TimeoutError
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.AdminShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
)
REDIS_AWAY = (
    OSError,
    RedisError,  # also a Redis that answers but refuses: full memory, full disk, read-only
)


@contextmanager
def postgres_may_be_away() -> Iterator[None]:
    """Turn the errors of a database that is away into Problem 503."""
    try:
        yield
    except _POSTGRES_AWAY as error:
        raise _unavailable("database", "Users and passwords cannot be read now.") from error


@contextmanager
def sessions_may_be_away() -> Iterator[None]:
    """Turn the errors of a Redis that is away into Problem 503, where sessions are at stake."""
    with _redis_may_be_away("session-store", "Sessions cannot be checked now, so no token of a session counts."):
        yield


@contextmanager
def channels_may_be_away() -> Iterator[None]:
    """Turn the errors of a Redis that is away into Problem 503, where channels are at stake."""
    with _redis_may_be_away("channels", "Channels cannot be joined now."):
        yield


@contextmanager
def _redis_may_be_away(store: str, effect: str) -> Iterator[None]:
    try:
        yield
    except REDIS_AWAY as error:
        raise _unavailable(store, effect) from error


def _unavailable(store: str, effect: str) -> Problem:
    return Problem(
        503,
        f"{store}-unavailable",
        "The gateway is degraded",
        f"{effect} Try again in a few seconds; /v1/status tells which service is away.",
        headers={"Retry-After": "5"},
    )
