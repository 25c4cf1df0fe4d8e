"""Training in a process of its own: it can be ended at once, and where memory runs out it alone is killed."""

import asyncio
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from classification_service.errors import ClassificationServiceError
from classification_service.training_runs.errors import ChildEndedError, RunError
from classification_service.training_runs.models import Fit, Task

_REPORT_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Result:
    """What training gave."""

    files: Mapping[str, bytes]
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Refused:
    reason: str


@dataclass(frozen=True, slots=True)
class _Failed:
    reason: str
    trace: str


type _Message = float | Result | _Refused | _Failed


async def fit_apart(fit: Fit, task: Task, on_progress: Callable[[float], None]) -> Result:
    """Train in another process, which is killed when this is cancelled.

    Raises RunError where it says that the examples cannot be trained on, ChildEndedError where it fails or is killed.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_train, args=(fit, task, sender), name="training", daemon=True)
    await asyncio.to_thread(process.start)
    sender.close()  # so that the end of the process is the end of what comes
    try:
        return await _result(process, receiver, on_progress)
    finally:
        process.kill()
        await asyncio.shield(asyncio.to_thread(process.join))
        receiver.close()


async def _result(process: SpawnProcess, receiver: Connection, on_progress: Callable[[float], None]) -> Result:
    while True:
        match await asyncio.to_thread(_receive, receiver):
            case float() as share:
                on_progress(share)
            case Result() as result:
                return result
            case _Refused(reason):
                raise RunError(reason)
            case _Failed(reason, trace):
                error = ChildEndedError(reason)
                error.add_note(trace)
                raise error
            case None:
                await asyncio.to_thread(process.join)
                raise ChildEndedError(_ending(process.exitcode or 0))


def _receive(receiver: Connection) -> _Message | None:
    try:
        message: _Message = receiver.recv()
    except (EOFError, OSError):  # it is closed where the caller was cancelled
        return None
    return message


def _ending(status: int) -> str:
    if status == -signal.SIGKILL:
        return "the process that trains was killed, as happens where a container has no memory left"
    if status < 0:
        return f"the process that trains was ended by signal {-status}"
    return f"the process that trains ended with status {status} and without a result"


def _train(fit: Fit, task: Task, sender: Connection) -> None:
    """What the other process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent ends it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sender.send(_outcome(fit, task, _Progress(sender)))


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def _outcome(fit: Fit, task: Task, progress: Callable[[float], None]) -> _Message:
    try:
        fitted = fit(task, progress)
    except ClassificationServiceError as error:
        return _Refused(str(error))
    except Exception as error:  # noqa: BLE001  the parent tells it
        return _Failed(f"{type(error).__name__}: {error}", traceback.format_exc())
    return Result(dict(fitted.files), dict(fitted.report))


class _Progress:
    """Sends the share that is done, now and then."""

    def __init__(self, sender: Connection) -> None:
        self._sender = sender
        self._next = 0.0

    def __call__(self, share: float) -> None:
        if (now := time.monotonic()) >= self._next:
            self._next = now + _REPORT_SECONDS
            self._sender.send(float(share))
