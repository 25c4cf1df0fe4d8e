"""The JavaScript client of events, against a server that cuts connections, repeats events and refuses WebSockets."""

import shutil
import subprocess

from nexusctl.workspace import ROOT

FOLDER = ROOT / "apps/nexus-gateway/tests/events/client"


def test_the_javascript_client_keeps_its_promises() -> None:
    assert shutil.which("node"), "the tests of the JavaScript client need Node.js 20 or later"
    command = ["node", "--experimental-websocket", "--test", str(FOLDER)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0\n" in done.stdout
