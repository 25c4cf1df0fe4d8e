"""MCP clients that need Node, of both transports and both eras: the official TypeScript SDK, and the Inspector.

They run among the unit tests of mcp-server, in their container, against a server with the conformance suite's fixtures.
Here they and the Node that they need are installed.
"""

import shutil
import subprocess

from harness.proofs import proof

from nexusctl import unit_tests
from nexusctl.console import Steps
from nexusctl.workspace import ROOT, STATE

_FILES = ROOT / "apps" / "mcp-server" / "tests" / "clients"
_FOLDER = STATE / "mcp-clients"
_RUNS = 5  # the SDK by two transports in two eras, the Inspector

pytestmark = proof("mcp-clients", "apps/mcp-server", "libs")


def test_node_clients_use_the_server_on_both_transports() -> None:
    _FOLDER.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "use.mjs"):
        shutil.copy(_FILES / name, _FOLDER)
    command = ["npm", "ci", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=_FOLDER, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (part,) = unit_tests.run(Steps(), ["mcp-server"], "-k test_node_client")
    assert (part.passed, part.failed, part.skipped) == (_RUNS, 0, 0)
