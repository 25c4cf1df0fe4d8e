"""The health probe of a worker: healthy while its heartbeat file is young."""

import re

import pytest
from harness.clone import run

from nexusctl.workspace import ROOT

PROBE = "/usr/local/bin/health-probe"
# The age is set right before the probe runs: a file of `limit` seconds would be a matter of luck.
SCRIPT = f"""
import os, subprocess, sys, time
age, limit = sys.argv[1:]
if age:
    open("/tmp/heartbeat", "w").close()
    os.utime("/tmp/heartbeat", (time.time() - int(age),) * 2)
sys.exit(subprocess.run(["{PROBE}"], env={{"NEXUS_HEARTBEAT_SECONDS": limit, "PORT": "1"}}).returncode)
"""


@pytest.mark.usefixtures("bases")
@pytest.mark.parametrize(
    ("age", "limit", "status", "error"),
    [
        ("0", "5", 0, ""),
        ("3", "5", 0, ""),
        ("8", "5", 1, r"no heartbeat: /tmp/heartbeat is (8|9) s old, limit 5 s"),
        ("-60", "5", 1, r"no heartbeat: /tmp/heartbeat is -(60|59) s old, limit 5 s"),
        ("", "5", 1, "no heartbeat: /tmp/heartbeat: No such file or directory"),
        ("0", "5s", 1, 'NEXUS_HEARTBEAT_SECONDS must be a number from 1 to 86400, found "5s"'),
        ("0", "0", 1, 'NEXUS_HEARTBEAT_SECONDS must be a number from 1 to 86400, found "0"'),
    ],
)
def test_a_worker_is_as_healthy_as_its_heartbeat_is_young(age: str, limit: str, status: int, error: str) -> None:
    command = ["docker", "run", "--rm", "--network", "none", "nexus/run", "python3", "-c", SCRIPT, age, limit]
    outcome = run(command, ROOT)
    assert (outcome.status, outcome.out) == (status, "")
    assert re.fullmatch(f"health-probe: {error}\n" if error else "", outcome.err), outcome.err
