"""A role and a schema for one test, made and removed by the superuser."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg

_MAX_END_MILLISECONDS = 5000


class Superuser:
    """One connection as superuser for all tests of a session: opening one costs more than making a schema."""

    def __init__(self, url: str) -> None:
        self._url = url
        # A loop of its own that is not made the current one: tests have theirs.
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._connection: asyncpg.Connection | None = None

    def execute(self, statements: str) -> None:
        """Run statements in one transaction."""
        self._runner.run(self._execute(statements))

    def close(self) -> None:
        """Close the connection, if one was opened."""
        if self._connection:
            self._runner.run(self._connection.close())
        self._runner.close()

    @contextmanager
    def temporary_schema(self) -> Iterator[str]:
        """Return the URL of a new role whose search path is a new schema; both are removed afterwards."""
        name, password = f"test_{secrets.token_hex(6)}", secrets.token_hex(12)
        self.execute(
            f"CREATE ROLE {name} LOGIN PASSWORD '{password}';"
            f"CREATE SCHEMA {name} AUTHORIZATION {name};"
            f"ALTER ROLE {name} SET search_path = {name}"
        )
        server = urlsplit(self._url)
        yield urlunsplit(server._replace(netloc=f"{name}:{password}@{server.hostname}:{server.port or 5432}"))
        # A connection that a test has left open would hold its locks.
        self.execute(
            f"SELECT pg_terminate_backend(pid, {_MAX_END_MILLISECONDS}) FROM pg_stat_activity WHERE usename = '{name}'"  # noqa: S608  names made here
        )
        self.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")

    async def _execute(self, statements: str) -> None:
        self._connection = self._connection or await asyncpg.connect(self._url)
        await self._connection.execute(statements)
