"""kill -9 in the middle of a stream: all of its rows are there or none, with their log. `make prove` runs a hundred rounds."""

import json
import subprocess
import sys
from pathlib import Path

ROUNDS = 4


def test_a_killed_service_leaves_all_rows_of_a_stream_or_none(environment: dict[str, str], token: str) -> None:
    command = [sys.executable, Path(__file__).with_name("killed_streams.py"), str(ROUNDS), token]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["all"] + found["none"] == ROUNDS
    assert found["single rows"] >= ROUNDS
