"""The promised rate of bulk, and its memory for a million rows."""

import re
import subprocess
import sys
from pathlib import Path

LEAST = 25_000
MOST_MEMORY = 64
TIMES_THE_FRAMEWORK = 100
NOISE = 3
"""A rate differs more between machines than a ratio: by what else they do."""


def test_bulk_is_fast_and_takes_little_memory() -> None:
    script = Path(__file__).with_name("bulk.py")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    (rate,) = re.findall(r"^service, NDJSON +(\d+) rows/s", done.stdout, re.MULTILINE)
    (memory,) = re.findall(r"rows/s, ([\d.]+) MiB more memory", done.stdout)
    (times,) = re.findall(r"rows/s, (\d+) times as many", done.stdout)
    print(f"figure: bulk beside the framework's node: {times} times (>= {TIMES_THE_FRAMEWORK})")
    print(f"figure: bulk: {rate} rows/s (>= {LEAST})")
    print(f"figure: memory of bulk: {memory} MiB (<= {MOST_MEMORY})")

    assert int(rate) >= LEAST / NOISE
    assert int(times) >= TIMES_THE_FRAMEWORK / NOISE
    assert float(memory) <= MOST_MEMORY
