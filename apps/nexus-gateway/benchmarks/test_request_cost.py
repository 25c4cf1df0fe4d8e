"""The promised CPU of a request, beside a bare FastAPI handler measured in the same run."""

import re
from pathlib import Path

import pytest

from nexus_testkit.benchmarks import output_of

LIMITS = {"gateway, GET /v1/me": 1.5, "gateway, routed read": 2.5}
NOISE = 1.5
"""A ratio of two costs that are measured in turns differs less between machines than a time."""


@pytest.fixture(scope="module")
def ratios() -> dict[str, float]:
    output = output_of(Path(__file__).with_name("request_cost.py"), "--connections", "16")
    found = re.findall(r"^  (\S.*?) +[\d.]+ us of CPU +([\d.]+) times the bare handler$", output, re.MULTILINE)
    return {name: float(ratio) for name, ratio in found}


@pytest.mark.parametrize(("what", "limit"), LIMITS.items())
def test_a_request_costs_little_more_than_a_bare_handler(ratios: dict[str, float], what: str, limit: float) -> None:
    print(f"figure: {what}: {ratios[what]:.2f} (<= {limit})")

    assert ratios[what] <= NOISE * limit
