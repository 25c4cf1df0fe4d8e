"""The promised CPU of single operations, beside handlers written by hand that are measured in the same run."""

import re
from pathlib import Path

from nexus_testkit.benchmarks import output_of

LIMIT = 1.7
NOISE = 2
"""A ratio of two costs that are measured in turns differs less between machines than a time."""


def test_an_operation_costs_little_more_than_a_handler_written_by_hand() -> None:
    output = output_of(Path(__file__).with_name("operations.py"))
    found = re.findall(r"^(.+): ratio to handwritten ([\d.]+)$", output, re.MULTILINE)
    for name, ratio in found:
        print(f"figure: {name}: {ratio} (<= {LIMIT})")

    assert [name for name, _ in found] == ["create", "read", "update", "delete", "list of 100"]
    assert [name for name, ratio in found if float(ratio) > NOISE * LIMIT] == []
