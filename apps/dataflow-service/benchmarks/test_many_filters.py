"""The promised number of generated filters that mean the same to the service as to an oracle in Python."""

import faulthandler
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FILTERS = 20_000
TESTS = {
    "filters": "test_filter_meaning.py::test_a_filter_means_what_the_oracle_says",
    "filters of lists": "test_list_filter_meaning.py::test_a_filter_of_lists_means_what_the_oracle_says",
}


@pytest.mark.parametrize("what", TESTS)
def test_generated_filters_mean_what_the_oracle_says(what: str) -> None:
    faulthandler.cancel_dump_traceback_later()  # it takes longer than pytest lets other tests
    folder = Path(__file__).parent.parent
    test = f"{folder}/tests/records/{TESTS[what]}"
    options = ["-p", "no:cacheprovider", "--rootdir", str(folder), "-c", str(folder / "pyproject.toml"), "--capture=no"]
    command = [sys.executable, "-m", "pytest", *options, "-o", "faulthandler_timeout=3000", test]
    environment = {**os.environ, "DATAFLOW_TEST_FILTERS": str(FILTERS)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    (number,) = re.findall(rf"^(\d+) {what} equal to the oracle$", done.stdout, re.MULTILINE)
    print(f"figure: {what} equal to the oracle: {number} (>= {FILTERS})")

    assert int(number) >= FILTERS
