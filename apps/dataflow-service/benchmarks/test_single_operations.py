"""The promised CPU of single operations, beside handlers written by hand that are measured in the same run."""

import re
import subprocess
import sys
from pathlib import Path

LIMIT = 1.7
NOISE = 2
"""A ratio of two costs that are measured in turns differs less between machines than a time."""


def test_an_operation_costs_little_more_than_a_handler_written_by_hand() -> None:
    script = Path(__file__).with_name("operations.py")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    found = re.findall(r"^(.+): ratio to handwritten ([\d.]+)$", done.stdout, re.MULTILINE)
    for name, ratio in found:
        print(f"figure: {name}: {ratio} (<= {LIMIT})")

    assert [name for name, _ in found] == ["create", "read", "update", "delete", "list of 100"]
    assert [name for name, ratio in found if float(ratio) > NOISE * LIMIT] == []
