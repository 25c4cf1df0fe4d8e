import json
import os
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

import asyncpg
import pytest
from conftest import MakeSettings

import dataflow_service
from dataflow_service.settings import Settings
from nexus_testkit import assert_settings_documented

ROOT = Path(dataflow_service.__file__).parent.parent


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def environment(make_settings: MakeSettings) -> dict[str, str]:
    """Environment of a process with the test's servers and free ports."""
    settings = make_settings()
    names = {name: str(field.validation_alias) for name, field in Settings.model_fields.items()}
    told = {names[name]: str(getattr(settings, name)) for name in settings.model_fields_set}
    ports = {"HOST": "127.0.0.1", "PORT": str(_free_port()), "NEXUS_ADMIN_PORT": str(_free_port())}
    return {
        **os.environ,
        **told,
        **ports,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        "PYTHONWARNINGS": "error",
    }


@pytest.fixture
def empty_folder(tmp_path: Path) -> Path:
    """A working directory in which nothing may appear."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def _wait_until_healthy(port: str, process: subprocess.Popen[bytes]) -> float:
    started = time.monotonic()
    while process.poll() is None and time.monotonic() - started < 30:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                assert answer.status == 200
                return time.monotonic() - started
        except OSError:
            time.sleep(0.02)
    pytest.fail(f"the service does not answer; exit status {process.poll()}")


def test_the_process_serves_writes_no_file_and_leaves_on_sigterm(
    environment: dict[str, str], empty_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    process = subprocess.Popen([sys.executable, "-m", "dataflow_service"], env=environment, cwd=empty_folder)
    try:
        seconds = _wait_until_healthy(environment["PORT"], process)
        with capfd.disabled():
            sys.stdout.write(f"\ndataflow-service: start to first 200 in {seconds:.2f} s\n")
    finally:
        process.terminate()
    assert process.wait(timeout=10) == 0
    assert list(empty_folder.iterdir()) == []


def _migrate(environment: dict[str, str], folder: Path) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "dataflow_service", "migrate"]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


async def test_migrate_brings_the_schema_up_to_date_and_is_idempotent(
    environment: dict[str, str], empty_folder: Path, database: asyncpg.Connection
) -> None:
    await database.execute("DROP TABLE IF EXISTS products, schema_migrations")
    assert _migrate(environment, empty_folder) == (
        0,
        "applied 0001_product.sql\nThe schema is up to date: 1 migrations applied.\n",
        "",
    )
    assert _migrate(environment, empty_folder) == (0, "The schema is up to date: 0 migrations applied.\n", "")


def test_a_missing_setting_is_told_before_anything_starts(environment: dict[str, str], empty_folder: Path) -> None:
    absent = empty_folder / "absent"
    status, output, error = _migrate({**environment, "NEXUS_POSTGRES_PASSWORD_FILE": str(absent)}, empty_folder)
    assert (status, output) == (78, "")
    assert error.startswith("The service cannot start: these settings need mending.\n  NEXUS_POSTGRES_PASSWORD_FILE  ")


LOAD = """
import json, sys
import nexus_chassis.server, dataflow_service.app
from dataflow_service.catalogue import service
service.load("dataflow_service.models")
print(json.dumps([module.__file__ for module in sys.modules.values() if getattr(module, "__file__", None)]))
"""


def test_what_the_image_leaves_out_is_never_loaded(environment: dict[str, str], empty_folder: Path) -> None:
    told = tomllib.loads((ROOT / "project.toml").read_text())["io"]["buildpacks"]["build"]["env"]
    pruned = next(variable["value"] for variable in told if variable["name"] == "BP_NEXUS_PRUNE").split()
    command = [sys.executable, "-c", LOAD]
    loaded = json.loads(subprocess.check_output(command, env=environment, cwd=empty_folder, text=True))
    assert any("/kailash/" in path for path in loaded)
    assert [path for path in loaded if any(f"/{glob}/" in path for glob in pruned)] == []


def test_every_setting_is_documented() -> None:
    assert_settings_documented(Settings, ROOT / "README.md")
