"""A script that Redis runs for many requests, over one connection that they share.

A command of redis-py takes a connection out of a pool, waits for its answer under a timeout and puts it back: about
100 us of CPU. Here the requests write to the same connection, and Redis answers them in order: about 15 us. redis-py
still opens the connection (addresses, TLS, users, passwords).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast, override

import hiredis
from redis.asyncio import Redis
from redis.asyncio.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError

from nexus_chassis.errors import RedisUnavailableError
from nexus_chassis.redis_errors import translate_redis_errors

_SILENCE_SECONDS = 2.0
_NOTHING = object()
_log = logging.getLogger(__name__)


class SharedScript:
    """Runs one script, which only reads or may run twice: a call is repeated once when its connection was lost."""

    def __init__(self, redis: Redis, script: str) -> None:
        self._redis = redis
        self._script = script
        self._sha = ""
        self._line: _Line | None = None
        self._opening: asyncio.Task[_Line] | None = None

    async def run(self, keys: Sequence[str], args: Sequence[str | int]) -> Any:  # noqa: ANN401  whatever it returns
        """What the script returns; raises RedisUnavailableError."""
        for last in (False, True):
            line = self._line
            if line is None or line.lost:
                line = await self._open()
            reply = await line.send(("EVALSHA", self._sha, len(keys), *keys, *args))
            if isinstance(reply, hiredis.ReplyError):
                await self._recover(str(reply))
            elif reply is not _NOTHING:
                return reply
            if last:
                raise RedisUnavailableError("Redis does not answer: the connection was lost twice")
        raise AssertionError

    async def _recover(self, refusal: str) -> None:
        if not refusal.startswith("NOSCRIPT"):
            raise RedisUnavailableError(f"Redis refuses the script: {refusal}")
        with translate_redis_errors():
            await self._redis.script_load(self._script)

    async def _open(self) -> "_Line":
        """A connection that is open. All who need one share the attempt: none waits for those before it to fail."""
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._connect())
            self._opening.add_done_callback(_take_note)
        return await asyncio.shield(self._opening)

    async def _connect(self) -> "_Line":
        if self._line is not None:
            await self._line.close()
        connection: Connection = self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            with translate_redis_errors():
                async with asyncio.timeout(_SILENCE_SECONDS):
                    self._sha = await self._redis.script_load(self._script)
                    await connection.connect()  # type: ignore[no-untyped-call]
            self._line = _Line(connection)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return self._line

    async def close(self) -> None:
        """Close the connection."""
        if self._opening is not None:
            self._opening.cancel()
        if self._line is not None:
            await self._line.close()


def _take_note(opening: "asyncio.Task[_Line]") -> None:
    """Nobody may be left who waits for it: asyncio would log that nobody looked at its error."""
    if not opening.cancelled():
        opening.exception()


class _Line(asyncio.Protocol):
    """The connection: commands go out together in each turn of the event loop, answers come back in their order."""

    def __init__(self, connection: Connection) -> None:
        writer = connection._writer  # noqa: SLF001  redis-py has no way to hand a connection over
        if writer is None:
            raise RedisConnectionError("the connection was closed while it was opened")
        self._connection = connection
        self._transport = cast("asyncio.Transport", writer.transport)
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(encoding="utf-8", notEnoughData=_NOTHING)
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._outgoing: list[bytes] = []
        self._watch: asyncio.TimerHandle | None = None
        self._answered = False
        self.lost = self._transport.is_closing()
        self._transport.set_protocol(self)

    def send(self, command: tuple[str | int, ...]) -> asyncio.Future[Any]:
        """The answer to a command, an error of Redis included; _NOTHING when the connection is lost before it."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append(answer)
        if not self._outgoing:
            self._loop.call_soon(self._flush)  # a write of its own for each would double what a request costs here
        self._outgoing.append(hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub knows only pairs
        if self._watch is None:
            self._watch = self._loop.call_later(_SILENCE_SECONDS, self._check)
        return answer

    def _flush(self) -> None:
        self._transport.writelines(self._outgoing)
        self._outgoing = []

    def _check(self) -> None:
        """Give up a connection on which nothing was answered since the last check, though something was asked."""
        self._watch = None
        if not self._waiting:
            return
        if not self._answered:
            _log.warning("Redis did not answer for %g s", _SILENCE_SECONDS)
            self._transport.abort()
            self._fail()
            return
        self._answered = False
        self._watch = self._loop.call_later(_SILENCE_SECONDS, self._check)

    @override
    def data_received(self, data: bytes) -> None:
        self._answered = True
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not _NOTHING:
            answer = self._waiting.popleft()
            if not answer.done():  # its request may have been cancelled
                answer.set_result(reply)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._fail()

    def _fail(self) -> None:
        self.lost = True
        if self._watch is not None:
            self._watch.cancel()
        while self._waiting:
            answer = self._waiting.popleft()
            if not answer.done():
                answer.set_result(_NOTHING)

    async def close(self) -> None:
        """Close the connection."""
        self._fail()
        with suppress(OSError, RedisConnectionError):
            await self._connection.disconnect(nowait=True)
