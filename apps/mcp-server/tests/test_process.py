import os
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from mcp_server.runner.settings import Settings as RunnerSettings
from mcp_server.settings import Settings
from nexus_testkit import ServiceProcess, assert_settings_documented

MODULE = ["-m", "mcp_server"]


def test_the_process_needs_nothing_else_to_start_and_leaves_on_sigterm(
    environment: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    started = time.monotonic()
    service = ServiceProcess(MODULE, environment)
    service.wait_until_it_answers()
    with capfd.disabled():
        sys.stdout.write(f"\nmcp-server: start to first 200 in {time.monotonic() - started:.2f} s\n")
    status, log, _ = service.stop()
    assert status == 0
    assert {entry["level"] for entry in log} <= {"info", "warning"}
    assert list(empty.iterdir()) == []


def test_an_empty_secret_is_reported_before_anything_starts(environment: dict[str, str], tmp_path: Path) -> None:
    empty = tmp_path / "empty_secret"
    empty.write_text("")
    status, log, errors = ServiceProcess(MODULE, environment | {"NEXUS_CLIENT_SECRET_FILE": str(empty)}).outcome()
    assert (status, log) == (os.EX_CONFIG, [])
    assert f"  NEXUS_CLIENT_SECRET_FILE  The secret file {empty} is empty." in errors.splitlines()[1]


def test_every_setting_is_documented() -> None:
    assert_settings_documented(Settings, ROOT / "README.md")


def test_every_setting_of_the_runner_is_documented() -> None:
    assert_settings_documented(RunnerSettings, ROOT / "mcp_server" / "runner" / "README.md")
