"""Writes never wait for Redis."""

import re
from pathlib import Path

from nexus_testkit.benchmarks import output_of

LIMIT = 1.1
NOISE = 3
TESTS = Path(__file__).parent.parent / "tests"


def test_writes_are_as_fast_while_redis_hangs() -> None:
    output = output_of(Path(__file__).with_name("hung_redis.py"), paths=[TESTS])
    (ratio,) = re.findall(r"^p99 while Redis hangs: ([\d.]+) times", output, re.MULTILINE)
    print(f"figure: p99 of writes while Redis hangs: {ratio} times (<= {LIMIT})")

    assert float(ratio) <= NOISE * LIMIT
