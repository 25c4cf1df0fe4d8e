"""A call costs the same however many sessions are open."""

import re
from pathlib import Path

import pytest
from open_sessions import GROWTH, KIBIBYTES

from nexus_testkit.benchmarks import output_of

NOISE = 1.5


@pytest.fixture(scope="module")
def output() -> str:
    return output_of(Path(__file__).with_name("open_sessions.py"))


def test_a_call_costs_the_same_with_ten_thousand_sessions(output: str) -> None:
    found = re.search(
        r"^HTTP: with 10000 sessions a call costs ([\d.]+) times as much, in one used before ([\d.]+)$",
        output,
        re.MULTILINE,
    )
    assert found is not None
    print(f"figure: 10,000 sessions over HTTP: a call costs {found[1]} and {found[2]} times as much (<= {GROWTH})")
    assert max(map(float, found.groups())) <= NOISE * GROWTH


def test_a_call_costs_the_same_with_all_websockets_that_a_process_admits(output: str) -> None:
    found = re.search(r"^WebSocket: a call costs ([\d.]+) times as much as with 10", output, re.MULTILINE)
    assert found is not None
    print(f"figure: 1,994 WebSockets: a call costs {found[1]} times as much as with 10 (<= {GROWTH})")
    assert float(found[1]) <= NOISE * GROWTH


@pytest.mark.parametrize(("transport", "limit"), KIBIBYTES.items())
def test_a_session_takes_little_memory(output: str, transport: str, limit: int) -> None:
    found = re.search(rf"^{transport}: ([\d.]+) KiB of memory", output, re.MULTILINE)
    assert found is not None
    print(f"figure: memory of a session over {transport}: {found[1]} KiB (<= {limit})")
    assert float(found[1]) <= limit
