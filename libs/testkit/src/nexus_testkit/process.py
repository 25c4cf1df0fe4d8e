"""A service as a process of its own."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

START_SECONDS = 60
_FIRST_PORT, _PORTS = 10_000, 20_000  # below those that Linux gives to connections, from 32768


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now, and that no connection gets as its own until somebody does."""
    while True:
        port = _FIRST_PORT + secrets.randbelow(_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class ServiceProcess:
    """`python ARGUMENTS` with free ports for the service and its admin listener; `environment` is added to the own."""

    def __init__(self, arguments: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        ports = {"HOST": "127.0.0.1", "PORT": str(free_port()), "NEXUS_ADMIN_PORT": str(free_port())}
        variables = {**os.environ, **ports, "NEXUS_DRAIN_SECONDS": "0", **(environment or {})}
        self.port = int(variables["PORT"])
        self.admin_port = int(variables["NEXUS_ADMIN_PORT"])
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(  # noqa: S603  the test's own command
            [sys.executable, *arguments], env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def get(self, path: str, port: int | None = None) -> str:
        """The body at `path`; raises OSError unless the answer is a success."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}{path}", timeout=5) as response:
            return str(response.read().decode())

    def wait_until_it_answers(self) -> None:
        """Until /livez answers; raises AssertionError with the outcome when the service ends instead."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.get("/livez")
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"the service did not start: {self.stop()}")

    def stop(self) -> tuple[int, list[dict[str, Any]], str]:
        """Ask it to end, and give the outcome."""
        self.process.terminate()
        return self.outcome()

    def end(self) -> None:
        """Stop it unless a test has; raises AssertionError with the outcome where it has ended by itself."""
        if self.process.poll() is None:
            self.stop()
        elif self.process.stdout is not None and not self.process.stdout.closed:
            raise AssertionError(f"the service ended by itself: {self.outcome()}")

    def outcome(self) -> tuple[int, list[dict[str, Any]], str]:
        """Exit status, log entries and stderr, once it has ended."""
        try:
            out, err = self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()  # so that its pipes are closed
            raise
        return self.process.returncode, [json.loads(line) for line in out.splitlines()], err
