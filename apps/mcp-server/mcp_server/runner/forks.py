"""The runner's side of child.py: the process that runs are forked from, and the processes of runs."""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mcp_server.runner.errors import ForkServerGoneError
from mcp_server.runner.sandbox import Limits
from mcp_server.runner.wire import MAX_CONTROL_BYTES, READY

_PART_BYTES = 65536
_LOGGING_SECONDS = 1  # what a process wrote before it ended is there at once
_START_SECONDS = 120  # an import of Kailash takes one second of CPU time, which a busy machine may not have
# Runs have no threads: a library that starts some when it is imported would fail.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunProcess:
    """The process of one run. `ended` becomes its exit status, negative for a signal, or raises ForkServerGoneError."""

    handle: int
    ended: asyncio.Future[int]

    def kill(self) -> None:
        """End it at once; it has no descendants."""
        if not self.ended.done():  # the handle is closed then
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)


@dataclass
class ForkServer:
    """Starts processes of runs. `gone` ends when it ended itself, and with it all its processes."""

    control: socket.socket
    gone: asyncio.Future[None]
    _starting: list[asyncio.Future[RunProcess]] = field(default_factory=list)
    _running: dict[int, RunProcess] = field(default_factory=dict)

    async def start(self, directory: Path, limits: Limits, connection: socket.socket, output: int) -> RunProcess:
        """Fork a process with these descriptors, confined to `directory`. Raises ForkServerGoneError."""
        started: asyncio.Future[RunProcess] = asyncio.get_running_loop().create_future()
        message = json.dumps({"directory": str(directory), "limits": asdict(limits)}).encode()
        try:
            socket.send_fds(self.control, [message], [connection.fileno(), output])
        except OSError:
            raise ForkServerGoneError from None
        self._starting.append(started)
        return await asyncio.shield(started)

    def receive(self) -> None:
        """Take in one message; called when the socket is readable."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self.control, MAX_CONTROL_BYTES, 1)
        except BlockingIOError:
            return
        except OSError:
            message, descriptors = b"", []
        if not message:
            self._end()
            return
        notice = json.loads(message)
        if "started" in notice:
            self._started(notice["started"], descriptors[0])
        elif "ended" in notice:
            self._running.pop(notice["ended"]).ended.set_result(notice["status"])

    def _started(self, pid: int, handle: int) -> None:
        process = RunProcess(handle, asyncio.get_running_loop().create_future())
        process.ended.add_done_callback(lambda _: os.close(handle))
        self._running[pid] = process
        self._starting.pop(0).set_result(process)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self.control)
        for started in self._starting:
            started.set_exception(ForkServerGoneError())
        for process in self._running.values():
            process.ended.set_exception(ForkServerGoneError())
        self._starting.clear()
        self._running.clear()
        if not self.gone.done():
            self.gone.set_result(None)


@asynccontextmanager
async def fork_server() -> AsyncIterator[ForkServer]:
    """A process that has Kailash imported. It and its runs end with the block.

    Raises:
        ForkServerGoneError: It did not start.
    """
    loop = asyncio.get_running_loop()
    own, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with own:
        with other:
            process = await _execute(other)
        logging_errors = asyncio.create_task(_log_errors(process))
        try:
            own.settimeout(0)
            await _wait_until_ready(own)
            server = ForkServer(own, loop.create_future())
            loop.add_reader(own, server.receive)
            try:
                yield server
            finally:
                loop.remove_reader(own)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await asyncio.wait({logging_errors}, timeout=_LOGGING_SECONDS)
            logging_errors.cancel()


async def _execute(control: socket.socket) -> asyncio.subprocess.Process:
    places = os.pathsep.join(place for place in sys.path if place)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "mcp_server.runner.child", str(control.fileno())),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=[control.fileno()],
        env=_ENVIRONMENT | {"PYTHONPATH": places},
        cwd="/",
    )


async def _log_errors(process: asyncio.subprocess.Process) -> None:
    """Log what the process writes to stderr: Kailash and Python write plain text there."""
    while process.stderr is not None and (part := await process.stderr.read(_PART_BYTES)):
        for line in part.decode(errors="replace").splitlines():
            _log.warning("%s", line)


async def _wait_until_ready(control: socket.socket) -> None:
    try:
        async with asyncio.timeout(_START_SECONDS):
            message = await asyncio.get_running_loop().sock_recv(control, MAX_CONTROL_BYTES)
    except (TimeoutError, OSError):
        message = b""
    if message != READY:
        raise ForkServerGoneError
