"""workflow-runner as the compose file holds it: it runs workflows, and contains what their code tries.

apps/mcp-server/tests/runner shows that each of these attacks works where nothing confines it.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from harness import engine
from harness.figures import Figures
from harness.stack import Stack, is_healthy

NAME = "workflow-runner"
MAX_SECONDS = 1
"""For a run that only computes."""

CLIENT = """
import json, socket, sys, time

definition = json.loads(sys.argv[1])
began = time.monotonic()
with socket.create_connection(("workflow-runner", 3100), timeout=60) as connection, connection.makefile("rwb") as stream:
    stream.write(json.dumps({"type": "start", "definition": definition, "seconds": 5}).encode() + b"\\n")
    stream.flush()
    last = [json.loads(line) for line in stream if b'"type":"log"' not in line][-1]
print(json.dumps(last | {"took": time.monotonic() - began}))
"""
GONE = "import pathlib; print([path.name for path in pathlib.Path('/tmp').iterdir()])"

ATTACKS = {
    "import subprocess; subprocess.run(['/usr/bin/python3', '-c', 'pass'])": ("error", "PermissionError"),
    "import os; os.fork()": ("error", "PermissionError"),
    "import socket; socket.create_connection(('127.0.0.1', 3100))": ("error", "PermissionError"),
    "import socket; socket.getaddrinfo('mcp-server', 3000)": ("error", "gaierror"),
    "import pathlib; pathlib.Path('/proc/1/environ').read_bytes()": ("error", "PermissionError"),
    "import pathlib; pathlib.Path('/etc/passwd').read_bytes()": ("error", "PermissionError"),
    "import pathlib; pathlib.Path('/tmp/heartbeat').read_bytes()": ("error", "PermissionError"),
    "import pathlib; pathlib.Path('/dev/shm/left').touch()": ("error", "PermissionError"),
    "import pathlib; list(pathlib.Path('/run/secrets').iterdir())": ("error", "FileNotFoundError"),
    "import os; os.kill(1, 15)": ("error", "PermissionError"),
    "import os; os.memfd_create('program')": ("error", "PermissionError"),
    "result = len(bytearray(600 << 20))": ("memory", ""),
    "while True: print('x' * 4000)": ("output", ""),
    "import pathlib\nfor number in range(10 ** 6): pathlib.Path(str(number)).touch()": ("files", ""),
    "for number in range(9):\n    with open(str(number), 'wb') as file: file.write(bytes(15 << 20))": ("files", ""),
    "while True: pass": ("timeout", ""),
}
"""Code, with the reason of its failure and what its detail says."""

GREEDY = """
import time
taken = bytearray(420 << 20)
for place in range(0, len(taken), 4096):
    taken[place] = 1
time.sleep(3)
result = 1
"""
AT_ONCE = 4


def run(stack: Stack, code: str) -> dict[str, Any]:
    """Run a workflow of one node with this code, as mcp-server does; return its end, and the seconds that it took."""
    config = {"name": "only", "code": code, "sandbox_mode": "trusted", "max_code_lines": 100}
    definition = {
        "name": "w",
        "nodes": {"only": {"node_type": "PythonCodeNode", "config": config}},
        "connections": [],
    }
    client = ("nexus/run", "python3", "-c", CLIENT, json.dumps(definition))
    end: dict[str, Any] = json.loads(engine.docker("run", "--rm", "--network", f"{stack.project}_runs", *client))
    return end


def test_a_workflow_runs(stack: Stack, figures: Figures) -> None:
    end = run(stack, "result = {'sum': 1 + 2}")
    assert end["outputs"] == {"only": {"result": {"sum": 3}}}
    figures.seconds("a workflow of one node in workflow-runner", end["took"], MAX_SECONDS)


@pytest.mark.parametrize("code", ATTACKS)
def test_what_the_code_of_a_workflow_tries_ends_its_run_and_nothing_else(stack: Stack, code: str) -> None:
    reason, detail = ATTACKS[code]
    with unharmed_runner(stack):
        end = run(stack, code)
    assert (end["type"], end["reason"]) == ("failed", reason), end
    assert detail in end["detail"]


def test_runs_that_use_up_the_memory_of_the_container_end_before_the_runner(stack: Stack) -> None:
    with unharmed_runner(stack), ThreadPoolExecutor(AT_ONCE) as pool:
        ends = list(pool.map(lambda _: run(stack, GREEDY), range(AT_ONCE)))
    # By `timeout` where the host lets the container swap.
    assert {end.get("reason") for end in ends} & {"killed", "timeout"}
    assert {end.get("reason") for end in ends} <= {"killed", "timeout", None}


@contextmanager
def unharmed_runner(stack: Stack) -> Iterator[None]:
    """Check that the runner is the same process at the end, runs another workflow, and has nothing left of the others."""
    before = stack.container(NAME)
    yield
    assert run(stack, "result = 1")["outputs"] == {"only": {"result": 1}}
    after = stack.container(NAME)
    assert is_healthy(after["State"])
    assert (after["RestartCount"], after["State"]["Pid"]) == (before["RestartCount"], before["State"]["Pid"])
    assert engine.docker("exec", after["Id"], "python3", "-c", GONE) == "['heartbeat']"
