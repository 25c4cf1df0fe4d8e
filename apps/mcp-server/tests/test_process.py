import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import MakeSettings

import mcp_server
from mcp_server.settings import Settings
from nexus_testkit import assert_settings_documented

ROOT = Path(mcp_server.__file__).parent.parent


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def environment(make_settings: MakeSettings) -> dict[str, str]:
    """Environment of a process with a secret and free ports."""
    ports = {
        "NEXUS_DRAIN_SECONDS": "0",
        "HOST": "127.0.0.1",
        "PORT": str(_free_port()),
        "NEXUS_ADMIN_PORT": str(_free_port()),
    }
    secret = {"NEXUS_CLIENT_SECRET_FILE": str(make_settings().client_secret_file)}
    return {
        **os.environ,
        **ports,
        **secret,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        "PYTHONWARNINGS": "error",
    }


def _seconds_until_alive(port: str, process: subprocess.Popen[bytes]) -> float:
    started = time.monotonic()
    while process.poll() is None and time.monotonic() - started < 60:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5) as answer:
                assert answer.status == 200
                return time.monotonic() - started
        except OSError:
            time.sleep(0.02)
    pytest.fail(f"the service does not answer; exit status {process.poll()}")


def test_the_process_needs_nothing_else_to_start_and_leaves_on_sigterm(
    environment: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    process = subprocess.Popen([sys.executable, "-m", "mcp_server"], env=environment, cwd=empty)
    try:
        seconds = _seconds_until_alive(environment["PORT"], process)
        with capfd.disabled():
            sys.stdout.write(f"\nmcp-server: start to first 200 in {seconds:.2f} s\n")
    finally:
        process.terminate()
    assert process.wait(timeout=60) == 0
    assert list(empty.iterdir()) == []


def test_an_empty_secret_is_told_before_anything_starts(environment: dict[str, str], tmp_path: Path) -> None:
    empty = tmp_path / "empty_secret"
    empty.write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "mcp_server"],
        env={**environment, "NEXUS_CLIENT_SECRET_FILE": str(empty)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith(
        "The service cannot start: these settings need mending.\n"
        f"  NEXUS_CLIENT_SECRET_FILE  The secret file {empty} is empty."
    )


def test_every_setting_is_documented() -> None:
    assert_settings_documented(Settings, ROOT / "README.md")
