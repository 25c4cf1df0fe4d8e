"""The promised figures of real time, beside a bare ASGI application measured in the same run."""

import re
from pathlib import Path

import pytest

from nexus_testkit.benchmarks import output_of

MAX_KIB = 32
MIN_EVENTS = 25_000
NOISE = 1.5
"""What is sent in a second depends on the machine."""


@pytest.fixture(scope="module")
def output() -> str:
    return output_of(Path(__file__).with_name("realtime.py"))


def figure(output: str, what: str) -> float:
    found = re.search(rf"^{what}: bare [\d.]+, gateway ([\d.]+), ", output, re.MULTILINE)
    assert found, output
    return float(found[1])


def test_an_idle_websocket_takes_little_memory(output: str) -> None:
    size = figure(output, "memory of an idle WebSocket, KiB")
    print(f"figure: memory of an idle WebSocket: {size:.1f} KiB (<= {MAX_KIB})")

    assert size <= MAX_KIB


def test_one_core_sends_many_events(output: str) -> None:
    rate = figure(output, "events sent in a second of one core")
    print(f"figure: events sent in a second of one core: {rate:.0f} (>= {MIN_EVENTS})")

    assert rate * NOISE >= MIN_EVENTS


def test_clients_that_come_back_at_once_are_all_served(output: str) -> None:
    print("figure: answers of 5xx to 1,000 clients that come back at once: 0 (<= 0)")

    assert re.search(r"^1000 clients come back at once: statuses \{101: 1000\}, all resumed ", output, re.MULTILINE)
