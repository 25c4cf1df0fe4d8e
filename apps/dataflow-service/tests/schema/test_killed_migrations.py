"""kill -9 in the middle of a plan, or of files: it goes on or back, and ends as declared. `make prove` runs a hundred rounds of plans."""

import json
import subprocess
import sys
from pathlib import Path

ROUNDS = 4


def test_a_plan_whose_process_was_killed_ends_at_what_is_declared(environment: dict[str, str]) -> None:
    command = [sys.executable, Path(__file__).with_name("killed_migrations.py"), str(ROUNDS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert sum(json.loads(done.stdout).values()) == ROUNDS


def test_files_whose_process_was_killed_end_at_what_they_declare(environment: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, Path(__file__).with_name("killed_files.py"), str(ROUNDS), tmp_path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert sum(json.loads(done.stdout).values()) == ROUNDS
