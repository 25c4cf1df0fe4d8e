"""Has workflow-runner run a workflow. Whoever awaits the run may cancel it: the runner then ends its process."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from mcp_server.runner import wire
from mcp_server.workflows.errors import (
    DataNodeRefusedError,
    RunLostError,
    RunnerUnavailableError,
    SandboxUnavailableError,
)

type RunNode = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Runs a data node, by name, with parameters; raises DataNodeRefusedError."""

type OnLog = Callable[[wire.Log], Awaitable[None]]

_CONNECT_SECONDS = 2
_REMEMBERED_SECONDS = 10.0


async def ignore_log(_log: wire.Log) -> None:
    """Take no note of a line of a log."""


async def refuse_node(node: str, _parameters: dict[str, Any]) -> dict[str, Any]:
    """Run no data node."""
    raise DataNodeRefusedError(f"{node} is not run here.")


def require_sandbox(outcome: wire.Finished | wire.Failed) -> wire.Finished | wire.Failed:
    """Return an outcome; raises SandboxUnavailableError for one that says that runs cannot be confined."""
    if isinstance(outcome, wire.Failed) and outcome.reason == "sandbox-unavailable":
        raise SandboxUnavailableError(outcome.detail)
    return outcome


@dataclass(slots=True)
class WorkflowRunner:
    """The runner at an address."""

    host: str
    port: int
    _lacks: tuple[str, float] | None = None

    @property
    def sandbox_lacks(self) -> str | None:
        """What the runner said last that it lacks to confine runs, if that was not long ago."""
        if self._lacks is None or time.monotonic() > self._lacks[1] + _REMEMBERED_SECONDS:
            return None
        return self._lacks[0]

    async def run(self, start: wire.Start, on_log: OnLog, run_node: RunNode) -> wire.Finished | wire.Failed:
        """Run a workflow and return its outcome; its data nodes are run here, one at a time.

        Raises:
            RunnerUnavailableError: The runner cannot be reached: nothing was run.
            RunLostError: The runner ended before the run did.
        """
        async with self._connection() as (reader, writer):
            try:
                outcome = await _Exchange(reader, writer, on_log, run_node).outcome(start)
            except (ConnectionError, ValueError, wire.UnreadableMessageError) as error:
                raise RunLostError from error
        self._lacks = None
        if isinstance(outcome, wire.Failed) and outcome.reason == "sandbox-unavailable":
            self._lacks = outcome.detail, time.monotonic()
        return outcome

    async def check(self) -> None:
        """Connect once, for a health check; raises RunnerUnavailableError."""
        async with self._connection():
            pass

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(self.host, self.port, limit=wire.MAX_LINE_BYTES)
        except (OSError, TimeoutError) as error:
            raise RunnerUnavailableError from error
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@dataclass(frozen=True, slots=True)
class _Exchange:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    on_log: OnLog
    run_node: RunNode

    async def outcome(self, start: wire.Start) -> wire.Finished | wire.Failed:
        await self._send(wire.encode(start))
        while line := await self.reader.readline():
            match wire.decode_from_run(line):
                case wire.Log() as log:
                    await self.on_log(log)
                case wire.Call() as call:
                    await self._send(await self._answer(call))
                case end:
                    return end
        raise RunLostError

    async def _answer(self, call: wire.Call) -> bytes:
        try:
            outputs = await self.run_node(call.node, call.parameters)
            return wire.encode(wire.Answer(call=call.call, outputs=outputs))
        except DataNodeRefusedError as error:
            return wire.encode(wire.Answer(call=call.call, error=str(error)))
        except wire.UnreadableMessageError as error:
            return wire.encode(wire.Answer(call=call.call, error=f"Its outputs cannot be sent: {error}. Ask for less."))

    async def _send(self, line: bytes) -> None:
        self.writer.write(line)
        await self.writer.drain()
