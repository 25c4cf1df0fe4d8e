"""Runs by way of the runner, in processes forked from one that has Kailash."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from runner_client import run, run_code, workflow
from runner_process import RunnerProcess

from mcp_server.runner import sandbox, wire
from mcp_server.runner.errors import SandboxUnavailableError
from mcp_server.runner.forks import fork_server
from mcp_server.runner.supervisor import Runner, serving


@pytest.fixture(scope="module")
def runner() -> Iterator[RunnerProcess]:
    runner = RunnerProcess()
    yield runner
    assert runner.stop() == 0


@pytest.fixture
def port(runner: RunnerProcess) -> int:
    return runner.port


async def _answers_still(port: int) -> None:
    assert (await run_code(port, "result = 1")).end == wire.Finished(outputs={"only": {"result": 1}})


async def test_a_workflow_returns_the_outputs_of_its_nodes_and_what_it_printed(port: int) -> None:
    outcome = await run_code(port, "print('one')\nprint('two')\nresult = {'sum': 1 + 2, 'text': 'ä'}")
    assert outcome.end == wire.Finished(outputs={"only": {"result": {"sum": 3, "text": "ä"}}})
    assert outcome.printed == ["one", "two"]
    assert not any(log.message.startswith("Memory limit") for log in outcome.logs)  # the sandbox limits it


async def test_inputs_reach_the_nodes_unchanged(port: int) -> None:
    start = wire.Start(definition=workflow("result = {'x': x}"), inputs={"only": {"x": [1, {"a": "b"}]}})
    assert (await run(port, start)).end == wire.Finished(outputs={"only": {"result": {"x": [1, {"a": "b"}]}}})


async def test_a_check_lists_what_kailash_would_refuse_and_runs_nothing(port: int) -> None:
    codes = {"good": "print('run')\nresult = 1", "cut": "result = (", "tricky": "import subprocess\nresult = 1"}
    nodes = {
        name: {"node_type": "PythonCodeNode", "config": {"name": name, "code": code}} for name, code in codes.items()
    }
    outcome = await run(port, wire.Start(definition={"name": "w", "nodes": nodes, "connections": []}, only_check=True))
    assert isinstance(outcome.end, wire.Finished)
    cut, tricky = outcome.end.outputs["faults"]
    assert cut == {"place": "nodes/cut/config/code", "reason": "line 1: '(' was never closed"}
    assert tricky["place"] == "nodes/tricky/config/code"
    assert "subprocess" in tricky["reason"]
    assert outcome.printed == []


@pytest.mark.parametrize(
    ("node_type", "config", "data", "expected"),
    [
        (
            "FilterNode",
            {"field": "n", "operator": ">", "value": 1},
            [{"n": 1}, {"n": 2}],
            {"filtered_data": [{"n": 2}]},
        ),
        ("Sort", {"field": "n"}, [{"n": 2}, {"n": 1}], {"sorted_data": [{"n": 1}, {"n": 2}]}),
        ("MergeNode", {"merge_type": "concat", "data2": [2]}, [1], {"merged_data": [1, 2]}),
    ],
)
async def test_the_permitted_nodes_of_kailash_compute(
    port: int, node_type: str, config: dict[str, object], data: object, expected: dict[str, object]
) -> None:
    definition = {"name": "w", "nodes": {"a": {"node_type": node_type, "config": config}}, "connections": []}
    first = "data1" if node_type == "MergeNode" else "data"
    outcome = await run(port, wire.Start(definition=definition, inputs={"a": {first: data}}))
    assert outcome.end == wire.Finished(outputs={"a": expected})


async def test_an_error_of_a_node_is_the_reason_of_the_failure(port: int) -> None:
    outcome = await run_code(port, "result = 1 // 0")
    assert outcome.reason == "error"
    assert outcome.detail.startswith("The node 'only' failed: ")
    assert "division" in outcome.detail


async def test_an_error_of_a_node_that_others_need_is_the_reason_of_the_failure(port: int) -> None:
    nodes = {
        name: {"node_type": "PythonCodeNode", "config": {"name": name, "code": "result = 1 // 0"}}
        for name in ("a", "b")
    }
    connection = {"source_node": "a", "source_output": "result", "target_node": "b", "target_input": "x"}
    outcome = await run(port, wire.Start(definition={"name": "w", "nodes": nodes, "connections": [connection]}))
    assert outcome.reason == "error"
    assert "division" in outcome.detail


async def test_a_second_run_starts_at_once(port: int) -> None:
    await _answers_still(port)
    started = time.monotonic()
    await _answers_still(port)
    assert time.monotonic() - started < 1  # an import of Kailash takes longer


async def test_data_nodes_are_run_by_the_client(port: int) -> None:
    definition = {
        "name": "w",
        "nodes": {
            "list": {"node_type": "ProductListNode", "config": {"limit": 2}},
            "count": {"node_type": "PythonCodeNode", "config": {"name": "count", "code": "result = len(records)"}},
        },
        "connections": [
            {"source_node": "list", "source_output": "records", "target_node": "count", "target_input": "records"}
        ],
    }
    start = wire.Start(definition=definition, data_nodes={"ProductListNode": ["filter", "limit"]})
    outcome = await run(port, start, lambda call: wire.Answer(call=call.call, outputs={"records": [{"id": 1}]}))
    assert outcome.calls == [wire.Call(call=1, node="ProductListNode", parameters={"limit": 2})]
    assert outcome.end == wire.Finished(outputs={"list": {"records": [{"id": 1}]}, "count": {"result": 1}})


async def test_a_data_node_that_fails_ends_the_run_with_its_reason(port: int) -> None:
    definition = {"name": "w", "nodes": {"one": {"node_type": "ProductReadNode", "config": {"id": 1}}}}
    start = wire.Start(definition=definition, data_nodes={"ProductReadNode": ["id"]})
    outcome = await run(port, start, lambda call: wire.Answer(call=call.call, error="There is no such row."))
    assert outcome.reason == "error"
    assert "ProductReadNode: There is no such row." in outcome.detail


HEARTBEAT = Path("/tmp/heartbeat")  # noqa: S108 - where the health probe of the images looks

HOSTILE = {
    "a loop without end": ("while True: pass", "timeout"),
    "a sleep without end": ("import time\ntime.sleep(60)", "timeout"),
    "memory": ("result = [bytearray(2**20) for _ in range(4096)]", "memory"),
    "memory that is kept": ("x = []\nwhile True:\n  x.append(bytearray(2**16))", "memory"),
    "1 GiB of output": ("import os\nfor _ in range(2**14): os.write(1, b'x' * 2**16)", "output"),
    "1 GiB of output in lines": ("for _ in range(2**20): print('x' * 1023)", "output"),
    "1 GiB of log": (
        "import logging\nfor _ in range(2**20): logging.getLogger('a').warning('x' * 1023)",
        "output",
    ),
    "10^6 files": ("for n in range(10**6): open(str(n), 'w').close()", "files"),
    "large files": ("for n in range(9): open(str(n), 'wb').write(bytes(15 * 2**20))\nwhile True: pass", "files"),
    "a fork bomb": ("import os\nwhile True: os.fork()", "error"),
    "a fork bomb that does not give up": (
        "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass",
        "timeout",
    ),
    "threads": ("import threading\nwhile True: threading.Thread(target=print).start()", "error"),
    "a result that is too long": ("result = 'x' * 5 * 2**20", "message"),
    "a result that is no JSON": ("result = float", "error"),
    "a message that is too long": ("import os\nos.write(3, b'x' * 5 * 2**20)", "message"),
    "a message that is none": ("import os\nos.write(3, b'{}\\n')\nimport time\ntime.sleep(60)", "message"),
    "the end of its process": ("import os\nos._exit(0)", "killed"),
    "a crash": ("import ctypes\nctypes.string_at(0)", "killed"),
    "its end with the connection left open": ("import os\nos.kill(os.getpid(), 9)", "killed"),
    "its connection closed": ("import os, time\nos.close(3)\ntime.sleep(60)", "timeout"),
    "a subprocess": ("import subprocess\nsubprocess.run(['/usr/bin/python3', '-c', ''])", "error"),
    "a socket": ("import socket\nsocket.create_connection(('127.0.0.1', 1))", "error"),
    "the runner killed": ("import os\nos.kill(os.getppid(), 9)", "error"),
    "the files of others": ("import os\nresult = os.listdir('/tmp')", "error"),
    "process 1": ("result = open('/proc/1/environ').read()", "error"),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_a_hostile_run_ends_alone_while_the_runner_answers(port: int, case: str) -> None:
    code, reason = HOSTILE[case]
    await _answers_still(port)
    hostile = asyncio.create_task(run_code(port, code, seconds=4))
    await asyncio.sleep(0.2)
    started = time.monotonic()
    await _answers_still(port)
    assert time.monotonic() - started < 3.5  # it does not wait for the end of the other
    assert (await hostile).reason == reason
    await _answers_still(port)


async def test_a_run_that_logs_many_lines_has_them_all(port: int) -> None:
    outcome = await run_code(port, "for n in range(10_000): print(n)")
    assert outcome.printed == [str(number) for number in range(10_000)]


async def test_a_run_sees_no_environment_of_the_runner(port: int) -> None:
    outcome = await run_code(port, "import os\nresult = dict(os.environ)")
    assert isinstance(outcome.end, wire.Finished)
    names = set(outcome.end.outputs["only"]["result"])
    assert names <= {
        "OPENBLAS_NUM_THREADS",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPATH",
        "LANG",
        "TMPDIR",
        "HOME",
        "LC_CTYPE",
    }


async def test_a_run_has_nothing_of_a_run_before(port: int) -> None:
    code = "import os, builtins\nopen('file', 'w').close()\nbuiltins.left = 1\nresult = 1"
    await run_code(port, code)
    outcome = await run_code(port, "import os, builtins\nresult = [os.listdir('.'), hasattr(builtins, 'left')]")
    assert outcome.end == wire.Finished(outputs={"only": {"result": [[], False]}})


async def test_no_temp_directory_stays(port: int) -> None:
    outcome = await run_code(port, "import os\nopen('file', 'w').close()\nprint(os.getcwd())\nresult = 1")
    assert _is_gone(outcome.printed[0])


async def test_closing_the_connection_cancels_the_run(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(wire.encode(wire.Start(definition=workflow("import os, time\nprint(os.getcwd())\ntime.sleep(60)"))))
    printed = await _first_print(reader)
    assert not _is_gone(printed)
    writer.close()
    await _until(lambda: _is_gone(printed))


async def test_runs_beyond_the_number_of_processes_wait_for_their_turn(port: int) -> None:
    outcomes = await asyncio.gather(*(run_code(port, f"import time\ntime.sleep(0.2)\nresult = {n}") for n in range(8)))
    assert [outcome.end for outcome in outcomes] == [wire.Finished(outputs={"only": {"result": n}}) for n in range(8)]


async def test_runs_end_as_failed_when_the_process_they_are_forked_from_is_killed(runner: RunnerProcess) -> None:
    await _answers_still(runner.port)
    running = asyncio.create_task(run_code(runner.port, "import time\ntime.sleep(60)"))
    await asyncio.sleep(0.5)
    os.kill(runner.fork_server(), signal.SIGKILL)
    assert (await running).reason == "runner"
    await _answers_still(runner.port)


async def test_what_is_printed_where_runs_are_forked_from_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with fork_server() as server:
        asyncio.get_running_loop().remove_reader(server.control)
        server.control.send(b"no JSON")
        await _until(lambda: any("JSONDecodeError" in record.getMessage() for record in caplog.records))
    assert {record.name for record in caplog.records} == {"mcp_server.runner.forks"}


async def test_no_process_stays_when_the_runner_is_killed() -> None:
    runner = RunnerProcess()
    await _answers_still(runner.port)
    reader, writer = await asyncio.open_connection("127.0.0.1", runner.port)
    writer.write(wire.encode(wire.Start(definition=workflow("import os, time\nprint(os.getpid())\ntime.sleep(60)"))))
    printed = await _first_print(reader)
    assert _oom_score(printed) == "1000\n"
    forks = runner.fork_server()
    runner.process.kill()
    runner.process.wait(10)
    await _until(lambda: _has_ended(printed) and _has_ended(str(forks)))
    writer.close()


async def test_the_heartbeat_is_there_while_runs_can_start(port: int) -> None:
    await _answers_still(port)
    assert _age(HEARTBEAT) < 5


async def test_without_a_sandbox_every_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check() -> None:
        raise SandboxUnavailableError(["Landlock 6 (Linux 6.12; found is none)"])

    monkeypatch.setattr(sandbox, "check", check)
    async with serving(Runner(1), "127.0.0.1", 0, tmp_path / "heartbeat") as server:
        outcome = await run_code(int(server.sockets[0].getsockname()[1]), "result = 1")
    assert outcome.end == wire.Failed(
        reason="sandbox-unavailable",
        detail="Runs cannot be confined here: this machine lacks Landlock 6 (Linux 6.12; found is none).",
    )


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"x" * (wire.MAX_LINE_BYTES + 1), wire.encode(wire.Answer(call=1))])
async def test_a_connection_that_sends_no_start_is_closed(port: int, line: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(line)
    with pytest.raises((ConnectionError, AssertionError)):
        assert await reader.read() != b""
    writer.close()
    await _answers_still(port)


async def _first_print(reader: asyncio.StreamReader) -> str:
    """What the run prints first."""
    while True:
        log = wire.decode_from_run(await reader.readline())
        assert isinstance(log, wire.Log)
        if log.logger == "output":
            return log.message


def _is_gone(directory: str) -> bool:
    return not Path(directory).exists()


def _age(file: Path) -> float:
    return time.time() - file.stat().st_mtime


def _oom_score(pid: str) -> str:
    return Path(f"/proc/{pid}/oom_score_adj").read_text()


def _has_ended(pid: str) -> bool:
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" in status.read_text()


async def _until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is awaited happens elsewhere
            await asyncio.sleep(0.02)
