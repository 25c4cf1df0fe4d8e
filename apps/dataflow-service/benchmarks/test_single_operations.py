"""The promised CPU of single operations, beside handlers written by hand that are measured in the same run."""

import re
from pathlib import Path

from nexus_testkit.benchmarks import output_of

SINGLE = ["create", "read", "update", "delete"]
LIMIT = 1.7
NOISE = 2
"""A ratio of two costs that are measured in turns differs less between machines than a time."""


def test_an_operation_costs_little_more_than_a_handler_written_by_hand() -> None:
    output = output_of(Path(__file__).with_name("operations.py"))
    found = re.findall(r"^(.+): ratio to handwritten ([\d.]+)$", output, re.MULTILINE)
    for name, ratio in found:
        print(f"figure: {name}: {ratio} (<= {LIMIT})")

    (texts,) = re.findall(r"ratio to the plain list ([\d.]+)$", output, re.MULTILINE)
    print(f"figure: list of 1000 with numbers=string, beside the plain list: {texts}")

    assert [name for name, _ in found] == [*SINGLE, "list of 100", "list of 1000", "list of 1000 with numbers=string"]
    assert [name for name, ratio in found if float(ratio) > NOISE * LIMIT] == []
