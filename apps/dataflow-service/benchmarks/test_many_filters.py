"""The promised number of generated filters that mean the same to the service as to an oracle in Python."""

import os
import re
import subprocess
import sys
from pathlib import Path

FILTERS = 20_000
NAME = "test_a_filter_means_what_the_oracle_says"


def test_generated_filters_mean_what_the_oracle_says() -> None:
    folder = Path(__file__).parent.parent
    test = f"{folder}/tests/records/test_filter_meaning.py::{NAME}"
    options = ["-p", "no:cacheprovider", "--rootdir", str(folder), "-c", str(folder / "pyproject.toml"), "--capture=no"]
    command = [sys.executable, "-m", "pytest", *options, "-o", "faulthandler_timeout=3000", test]
    environment = {**os.environ, "DATAFLOW_TEST_FILTERS": str(FILTERS)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    (number,) = re.findall(r"^(\d+) filters equal to the oracle$", done.stdout, re.MULTILINE)
    print(f"figure: filters equal to the oracle: {number} (>= {FILTERS})")

    assert int(number) >= FILTERS
