"""One run: its process, the messages between it and mcp-server, and the limits that the runner holds it to."""

import asyncio
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from mcp_server.runner import wire
from mcp_server.runner.errors import ForkServerGoneError
from mcp_server.runner.forks import ForkServer, RunProcess
from mcp_server.runner.sandbox import Limits
from nexus_chassis.limits import MIB

MAX_LOG_BYTES = MIB
"""Bytes that one run may log and print."""

MAX_FILES = 1000
MAX_FILE_BYTES = 32 * MIB
"""Files in a run's temp directory, and their size together."""

_WATCH_SECONDS = 0.1
_PART_BYTES = 4096
_BY_SIGNAL: dict[int, tuple[wire.Reason, str]] = {
    -signal.SIGXCPU: ("cpu", "The run used more CPU time than it may."),
    -signal.SIGSYS: ("killed", "The run made a system call of another interface than it may."),
}

type Send = Callable[[wire.Call | wire.Log], Awaitable[None]]


class _OverError(Exception):
    """The run is over, with this outcome."""

    def __init__(self, outcome: wire.Finished | wire.Failed) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def _failed(reason: wire.Reason, detail: str) -> _OverError:
    return _OverError(wire.Failed(reason=reason, detail=detail))


async def execute(
    start: wire.Start, forks: ForkServer, answers: AsyncIterator[wire.Answer], send: Send
) -> wire.Finished | wire.Failed:
    """Run a workflow in a process of its own and return its outcome; when cancelled, the process ends first.

    `answers` are those to the calls that `send` receives. Raises ForkServerGoneError.
    """
    directory = Path(tempfile.mkdtemp(prefix="run-"))
    try:
        async with _process(forks, directory) as (process, connection, output):
            run = _Run(start, process, connection, output, directory, send)
            return await run.outcome(answers)
    finally:
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


type _Opened = tuple[RunProcess, tuple[asyncio.StreamReader, asyncio.StreamWriter], asyncio.StreamReader]


@asynccontextmanager
async def _process(forks: ForkServer, directory: Path) -> AsyncIterator[_Opened]:
    own, other = socket.socketpair()
    reading, writing = os.pipe()
    output = os.fdopen(reading, "rb", buffering=0)
    with own, output:  # for what is cancelled before they are connected
        try:
            process = await forks.start(directory, Limits(), other, writing)
        finally:
            other.close()
            os.close(writing)
        async with _ending(process), _connected(own) as connection, _reading(output) as reader:
            try:
                yield process, connection, reader
            finally:
                process.kill()  # first of all: what is still to be sent would wait for it to read


@asynccontextmanager
async def _ending(process: RunProcess) -> AsyncIterator[None]:
    try:
        yield
    finally:
        process.kill()
        with suppress(ForkServerGoneError):
            await asyncio.shield(process.ended)


@asynccontextmanager
async def _connected(own: socket.socket) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(sock=own, limit=wire.MAX_LINE_BYTES)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def _reading(output: FileIO) -> AsyncIterator[asyncio.StreamReader]:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), output
    )
    try:
        yield reader
    finally:
        transport.close()


@dataclass
class _Run:
    start: wire.Start
    process: RunProcess
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    output: asyncio.StreamReader
    directory: Path
    send: Send
    logged: int = field(default=0)

    async def outcome(self, answers: AsyncIterator[wire.Answer]) -> wire.Finished | wire.Failed:
        try:
            async with asyncio.timeout(self.start.seconds), asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass_answers(answers))
                tasks.create_task(self._watch_files())
                tasks.create_task(self._follow())
        except* _OverError as group:
            over = _outcome_of(group)
        except* TimeoutError:
            over = wire.Failed(reason="timeout", detail=f"The run took longer than {self.start.seconds:g} s.")
        except* ForkServerGoneError:
            over = wire.Failed(reason="runner", detail=str(ForkServerGoneError()))
        return over

    async def _pass_answers(self, answers: AsyncIterator[wire.Answer]) -> None:
        """Send the run what mcp-server sends; it may be gone already, which `_follow` finds out."""
        with suppress(ConnectionError):
            await self._write(self.start)
            async for answer in answers:
                await self._write(answer)

    async def _write(self, message: wire.Start | wire.Answer) -> None:
        self.connection[1].write(wire.encode(message))
        await self.connection[1].drain()

    async def _watch_files(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            count, size = _contents(self.directory)
            if count > MAX_FILES or size > MAX_FILE_BYTES:
                raise _failed("files", f"The run has more than {MAX_FILES} files, or {MAX_FILE_BYTES} bytes in them.")

    async def _follow(self) -> None:
        """Pass on what the run prints and sends, to its end; output first, as it was written before the result."""
        async with asyncio.TaskGroup() as tasks:
            printed = tasks.create_task(self._pass_output())
            received = tasks.create_task(self._pass_messages())
        await printed
        if (result := await received) is None:
            status = await asyncio.shield(self.process.ended)
            raise _failed(*_BY_SIGNAL.get(status, ("killed", f"The run ended without a result (status {status}).")))
        raise _OverError(result)

    async def _pass_output(self) -> None:
        line = b""
        while part := await self.output.read(_PART_BYTES):
            self._count(len(part))
            *lines, line = (line + part).split(b"\n")
            if len(line) > _PART_BYTES:
                lines, line = [*lines, line], b""
            await self._print(lines)
        await self._print([line] if line else [])

    async def _print(self, lines: list[bytes]) -> None:
        for line in lines:
            await self.send(wire.Log(level="info", logger="output", message=line.decode(errors="replace")))

    async def _pass_messages(self) -> wire.Finished | wire.Failed | None:
        result = None
        try:
            while line := await self.connection[0].readline():
                message = wire.decode_from_run(line)
                if isinstance(message, wire.Finished | wire.Failed):
                    result = message
                elif isinstance(message, wire.Log):
                    self._count(len(line))
                    await self.send(message)
                else:
                    await self.send(message)
        except ConnectionError:
            return result
        except ValueError:
            raise _failed("message", f"A message of the run has more than {wire.MAX_LINE_BYTES} bytes.") from None
        except wire.UnreadableMessageError as error:
            raise _failed("message", f"A message of the run cannot be read: {error}."[: wire.MAX_TEXT]) from None
        return result

    def _count(self, size: int) -> None:
        self.logged += size
        if self.logged > MAX_LOG_BYTES:
            raise _failed("output", f"The run logged and printed more than {MAX_LOG_BYTES} bytes.")


def _contents(directory: Path) -> tuple[int, int]:
    """How many files there are, of which no more are counted than needed, and the bytes that they take."""
    count = size = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            count += 1
            with suppress(FileNotFoundError):
                size += entry.stat(follow_symlinks=False).st_blocks * 512
            if count > MAX_FILES:
                break
    return count, size


def _outcome_of(group: BaseExceptionGroup[_OverError]) -> wire.Finished | wire.Failed:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, _OverError):
        raise TypeError(error)
    return error.outcome
