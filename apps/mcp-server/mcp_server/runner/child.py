"""`python -m mcp_server.runner.child CONTROL`: forks a confined process for each run. It has no thread and no secret.

The runner sends the limits and directory of a run on the socket CONTROL, with the descriptors of the run's connection
and output; it receives {"started": pid} with a descriptor of the process, and {"ended": pid, "status": status}.
A process of its own, because a fork of the runner would hold the messages of other runs.
"""

import gc
import json
import logging
import os
import selectors
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any, BinaryIO, override

from mcp_server.runner import engine, wire
from mcp_server.runner.sandbox import Limits, code_paths, confine

_CONNECTION = 3
_NICENESS = 10
_OF_THE_SANDBOX = "Memory limit is NOT enforced"  # by Kailash: the sandbox limits it
_LEVELS = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning"}


def main(control: socket.socket) -> None:
    """Fork runs until the runner closes the socket."""
    engine.warm_up()
    gc.collect()
    gc.freeze()  # pages that a collection would write to stay shared
    wakeups, wakeup = socket.socketpair()
    wakeups.settimeout(0)
    wakeup.settimeout(0)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
    control.send(wire.READY)
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(wakeups, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if wakeups in ready:
                wakeups.recv(4096)
                _reap(control)
            if control in ready and not _start(control):
                return


def _reap(control: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        control.send(json.dumps({"ended": pid, "status": os.waitstatus_to_exitcode(status)}).encode())


def _start(control: socket.socket) -> bool:
    """Fork one run; False when the runner is gone."""
    message, descriptors, _, _ = socket.recv_fds(control, wire.MAX_CONTROL_BYTES, 2)
    if not message:
        return False
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become_run(descriptors, parent, **json.loads(message))
    for descriptor in descriptors:
        os.close(descriptor)
    process = os.pidfd_open(pid)
    socket.send_fds(control, [json.dumps({"started": pid}).encode()], [process])
    os.close(process)
    return True


def _become_run(descriptors: list[int], parent: int, directory: str, limits: dict[str, int]) -> None:
    """Confine this process, run what its connection asks for, and end."""
    status = os.EX_SOFTWARE
    try:
        _take(descriptors)
        os.environ |= {"TMPDIR": directory, "HOME": directory}
        _stand_back()
        confine(Path(directory), code_paths(), Limits(**limits), parent)
        with os.fdopen(_CONNECTION, "rb") as reading, os.fdopen(_CONNECTION, "wb", closefd=False) as writing:
            _run(_Connection(reading, writing))
        sys.stdout.flush()
        status = os.EX_OK
    except BaseException:  # noqa: BLE001 - nothing of this process may go on
        traceback.print_exc()
    finally:
        os._exit(status)


def _take(descriptors: list[int]) -> None:
    """Keep nothing open but the run's own: its output as 1 and 2, its connection as 3."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    connection, output = descriptors
    for number in (1, 2):
        os.dup2(output, number)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)  # each line is passed on while the run goes on
    os.dup2(connection, _CONNECTION)
    os.closerange(_CONNECTION + 1, os.sysconf("SC_OPEN_MAX"))


def _stand_back() -> None:
    """Let the runner have the processor first, and where memory runs out, end before it."""
    os.nice(_NICENESS)
    Path("/proc/self/oom_score_adj").write_text("1000")


class _Connection:
    """The run's side of its connection."""

    def __init__(self, reading: BinaryIO, writing: BinaryIO) -> None:
        self._reading = reading
        self._writing = writing
        self._calls = 0

    def receive(self) -> wire.Start | wire.Answer:
        return wire.decode_from_server(self._reading.readline())

    def send(self, message: wire.Call | wire.Log | wire.Finished | wire.Failed) -> None:
        self._writing.write(wire.encode(message))
        self._writing.flush()

    def run_node(self, node: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Run a data node by way of mcp-server."""
        self._calls += 1
        self.send(wire.Call(call=self._calls, node=node, parameters=parameters))
        answer = self.receive()
        if not isinstance(answer, wire.Answer) or answer.call != self._calls:
            raise RuntimeError(f"{node}: the answer belongs to another call")
        if answer.error is not None:
            raise DataNodeError(f"{node}: {answer.error}")
        return answer.outputs


class DataNodeError(Exception):
    """A data node failed; the text says why."""


class _LogHandler(logging.Handler):
    """Sends what is logged to the runner."""

    def __init__(self, connection: _Connection) -> None:
        super().__init__()
        self._connection = connection
        self.addFilter(_concerns_the_run)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        level: Any = _LEVELS.get(record.levelno, "error")
        message = self.format(record)[: wire.MAX_TEXT]
        self._connection.send(wire.Log(level=level, logger=record.name[:200], message=message))


def _concerns_the_run(record: logging.LogRecord) -> bool:
    """False for what Kailash logs of its own steps, as it sets levels of its loggers itself, and of its own memory limit."""
    if not record.name.startswith("kailash"):
        return True
    return record.levelno >= logging.WARNING and not record.getMessage().startswith(_OF_THE_SANDBOX)


def _outputs(start: wire.Start, connection: _Connection) -> dict[str, Any]:
    if start.only_check:
        return {"faults": engine.check(start.definition, start.data_nodes)}
    return engine.run(start.definition, start.inputs, start.data_nodes, connection.run_node)


def _run(connection: _Connection) -> None:
    logging.root.setLevel(logging.INFO)
    logging.root.handlers[:] = [_LogHandler(connection)]
    start = connection.receive()
    if not isinstance(start, wire.Start):
        raise TypeError(f"expected Start, received {start}")
    try:
        connection.send(wire.Finished(outputs=_outputs(start, connection)))
    except MemoryError:
        connection.send(wire.Failed(reason="memory", detail="The run used more memory than it may."))
    except wire.UnreadableMessageError as error:
        connection.send(wire.Failed(reason="message", detail=f"The result cannot be sent: {error}."))
    except engine.NodeFailedError as error:
        connection.send(wire.Failed(reason="error", detail=str(error)[: wire.MAX_TEXT]))
    except Exception as error:  # noqa: BLE001 - what a workflow raises is its outcome
        connection.send(wire.Failed(reason="error", detail=f"{type(error).__name__}: {error}"[: wire.MAX_TEXT]))


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
