"""Containers are killed while a hundred workflows run: each run ends finished or is reported as failed; none is lost."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from harness import engine
from harness.figures import Figures
from harness.proofs import STACK_INPUTS, proof
from harness.stack import Stack, login
from harness.workflows import ENDED, deploy, ended, mcp_client, start

RUNS = 100
BEFORE = 10
"""Runs that have ended when the container is killed."""

END_SECONDS = 240
VICTIMS = ("redis", "workflow-runner", "mcp-server")
SLEEP: dict[str, Any] = {
    "definition": {
        "name": "sleep",
        "nodes": {
            "sleep": {
                "node_type": "PythonCodeNode",
                "config": {"code": "import time\ntime.sleep(0.3)\nresult = 'done'"},
            }
        },
        "connections": [],
    },
    "output": "sleep.result",
}

pytestmark = [
    proof("kills during runs", *STACK_INPUTS),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may kill a container's process from the host"),
    pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session"),
]


@pytest.fixture
def mcp(stack: Stack) -> Iterator[httpx.Client]:
    stack.wait_until_healthy()
    with login(stack) as gateway, mcp_client(stack, gateway) as client:
        yield client


@pytest.mark.parametrize("victim", VICTIMS)
def test_every_one_of_a_hundred_runs_ends(stack: Stack, mcp: httpx.Client, victim: str, figures: Figures) -> None:
    deploy(mcp, "sleep", SLEEP, {})
    runs = [start(mcp, "sleep", {}) for _ in range(RUNS)]
    deadline = time.monotonic() + END_SECONDS
    assert ended(mcp, runs[BEFORE], deadline)["state"] == "finished"
    engine.kill_main_process(stack.container(victim)["Id"])
    ends = [ended(mcp, run, deadline) for run in runs]
    counts = Counter(f"{end['state']} {end['reason'] or ''}".strip() for end in ends)
    said = ", ".join(f"{count} {how}" for how, count in counts.most_common())
    figures.note(f"{RUNS} runs while {victim} is killed", said)
    assert [end for end in ends if end["state"] not in ENDED] == []
    assert [end for end in ends if end["state"] == "failed" and not end["detail"]] == []
    stack.wait_until_healthy()
