"""The conformance suite of the Model Context Protocol, over HTTP and over WebSocket.

It runs among the unit tests of mcp-server, in their container, against a server with the suite's fixtures; what is not a
success is listed there with its reason, in expectations.json. Here the suite and the Node that it needs are installed.
"""

import shutil
import subprocess

from harness.proofs import proof

from nexusctl import unit_tests
from nexusctl.console import Steps
from nexusctl.workspace import ROOT, STATE

_FILES = ROOT / "apps" / "mcp-server" / "tests" / "conformance"
_FOLDER = STATE / "conformance"
_RUNS = 4  # two revisions, two transports

pytestmark = proof("conformance", "apps/mcp-server", "libs")


def test_the_server_conforms_on_both_transports() -> None:
    _FOLDER.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_FILES / name, _FOLDER)
    command = ["npm", "ci", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=_FOLDER, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (part,) = unit_tests.run(Steps(), ["mcp-server"], "-k test_conformance_suite")
    assert (part.passed, part.failed, part.skipped) == (_RUNS, 0, 0)
