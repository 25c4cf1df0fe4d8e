"""Damaged messages are answered, and leave nothing behind."""

import re
from pathlib import Path

import pytest

from nexus_testkit.benchmarks import output_of

FOLDER = Path(__file__).parent
TRANSPORTS = ("HTTP", "WebSocket")


@pytest.fixture(scope="module")
def output() -> str:
    return output_of(FOLDER / "fuzzed_messages.py", paths=[FOLDER.parent / "tests"])


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_no_damaged_message_is_a_fault_of_the_server(output: str, transport: str) -> None:
    found = re.search(rf"^{transport}: (\d+) messages: asked 0 answers with 5xx, measured (\d+)$", output, re.MULTILINE)
    assert found is not None
    print(f"figure: {transport}, {found[1]} damaged messages answered with 5xx: {found[2]} (0)")
    assert found[2] == "0"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_damaged_messages_leave_no_memory_behind(output: str, transport: str) -> None:
    found = re.search(rf"^{transport}: memory .* asked <= (\d+) KiB more, measured (-?\d+) KiB$", output, re.MULTILINE)
    assert found is not None
    print(f"figure: {transport}, memory after damaged messages: {found[2]} KiB more (<= {found[1]})")
    assert int(found[2]) <= int(found[1])
