"""kill -9 in streams of rows and in migrations, a hundred times each. The scripts check what is left, and print what they met."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from servers import database, service_environment

ROUNDS = 100
TESTS = Path(__file__).parent.parent / "tests"


def _campaign(environment: Mapping[str, str], script: str, *arguments: str) -> dict[str, int]:
    variables = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    command = [sys.executable, str(TESTS / script), str(ROUNDS), *arguments]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    print(f"{script}: {done.stdout}")
    found: dict[str, int] = json.loads(done.stdout)
    return found


def test_a_killed_service_leaves_all_rows_of_a_stream_or_none() -> None:
    with database() as url, service_environment(url) as (environment, token):
        found = _campaign(environment, "bulk/killed_streams.py", token)
    print(f"figure: streams killed: {found['none']} of {ROUNDS} left nothing, {found['all']} all")
    assert found["all"] + found["none"] == ROUNDS
    assert min(found["none"], found["all"]) >= ROUNDS / 10


def test_a_plan_whose_process_was_killed_ends_at_what_is_declared() -> None:
    with database() as url, service_environment(url) as (environment, _):
        found = _campaign(environment, "schema/killed_migrations.py")
    print(f"figure: migrations killed: {ROUNDS}, in {len(found)} states")
    assert sum(found.values()) == ROUNDS
    assert len([place for place in found if place.startswith("applying")]) >= 3
