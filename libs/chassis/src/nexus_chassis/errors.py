"""Errors of the chassis that know nothing of HTTP; `problems` maps those that a request can meet."""


class ConfigurationError(Exception):
    """Something the operator must fix before the service can run; ends the process with exit status 78."""


class DatabaseUnavailableError(Exception):
    """PostgreSQL does not answer, or the schema is not ready; a statement under way may or may not have taken effect."""


class RedisUnavailableError(Exception):
    """Redis does not answer, or refuses commands because of its own state (loading, read-only, out of memory)."""


class PoolExhaustedError(Exception):
    """No connection of the pool became free in time: the service is overloaded, the store itself may be well."""

    def __init__(self, store: str, size: int, seconds: float) -> None:
        super().__init__(f"All {size} connections to {store} were in use for {seconds:g} s.")
        self.store = store
        self.size = size
        self.seconds = seconds
