"""The promised CPU of a tools/call, beside the official SDK's server measured in the same run."""

import re
from pathlib import Path

import pytest
from call_cost import ASKED, GROWTH

from nexus_testkit.benchmarks import output_of

SDK_MICROSECONDS = 576
"""What the SDK's server takes where the limits are as asked."""

NOISE = 1.5
"""A ratio of two costs that are measured in turns differs less between machines than a time."""


@pytest.fixture(scope="module")
def output() -> str:
    return output_of(Path(__file__).with_name("call_cost.py"))


@pytest.mark.parametrize(("what", "limit"), ASKED.items())
def test_a_call_costs_a_fraction_of_what_it_costs_in_the_sdk(output: str, what: str, limit: float) -> None:
    found = re.search(rf"^{what} +([\d.]+) us of CPU \(.*\) +([\d.]+) of the SDK's$", output, re.MULTILINE)
    assert found is not None
    print(f"figure: {what}: {found[1]} us (<= {limit}), {found[2]} of the SDK's")
    assert float(found[2]) <= NOISE * limit / SDK_MICROSECONDS


@pytest.mark.parametrize("transport", ["WebSocket", "HTTP"])
def test_a_call_costs_the_same_with_a_thousand_tools(output: str, transport: str) -> None:
    found = re.search(rf"^{transport}: 1000 tools cost ([\d.]+) times as much as 1 ", output, re.MULTILINE)
    assert found is not None
    print(f"figure: {transport}, 1000 tools instead of 1: {found[1]} (<= {GROWTH})")
    assert float(found[1]) <= NOISE * GROWTH
