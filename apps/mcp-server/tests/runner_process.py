"""The runner as a process."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from nexus_testkit.process import free_port


class RunnerProcess:
    """The runner as a process, with two processes for runs."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        environment = {"HOST": "127.0.0.1", "PORT": str(self.port), "NEXUS_RUNNER_PROCESSES": "2", "NEXUS_SECRET": "x"}
        places = os.pathsep.join(filter(None, sys.path))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mcp_server.runner"], env=os.environ | environment | {"PYTHONPATH": places}
        )
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError

    def fork_server(self) -> int:
        """Process id of what runs are forked from."""
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text())

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait(10)

    @property
    def url(self) -> str:
        """Its address as mcp-server has it."""
        return f"tcp://127.0.0.1:{self.port}"

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        self.process.terminate()
        return self.process.wait(10)
