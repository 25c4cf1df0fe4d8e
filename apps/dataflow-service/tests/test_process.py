import json
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import asyncpg
import pytest
from conftest import CATALOGUE

import dataflow_service
from dataflow_service.schema.tables import SERVICE_TABLES
from dataflow_service.settings import Settings
from nexus_testkit import ServiceProcess, assert_settings_documented

ROOT = Path(dataflow_service.__file__).parent.parent


@pytest.fixture
def empty_folder(tmp_path: Path) -> Path:
    """A working directory in which nothing may appear."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def test_the_process_serves_writes_no_file_and_leaves_on_sigterm(
    environment: dict[str, str],
    empty_folder: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(empty_folder)
    started = time.monotonic()
    process = ServiceProcess(["-m", "dataflow_service"], environment)
    process.wait_until_it_answers()
    with capfd.disabled():
        sys.stdout.write(f"\ndataflow-service: start to first 200 in {time.monotonic() - started:.2f} s\n")
    assert json.loads(process.get("/readyz")) == {"status": "ok"}
    status, _, _ = process.stop()
    assert status == 0
    assert list(empty_folder.iterdir()) == []


def _migrate(environment: dict[str, str], folder: Path) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "dataflow_service", "migrate"]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=90, check=False)
    return done.returncode, done.stdout, done.stderr


async def test_migrate_brings_the_schema_up_to_date_and_is_idempotent(
    environment: dict[str, str], empty_folder: Path, database: asyncpg.Connection
) -> None:
    await database.execute(f"DROP TABLE IF EXISTS {CATALOGUE}, {', '.join(SERVICE_TABLES)}")
    applied = "".join(f"applied {path.name}\n" for path in sorted((ROOT / "migrations").iterdir()))
    number = applied.count("\n")
    assert _migrate(environment, empty_folder) == (
        0,
        f"{applied}The schema is up to date: {number} migrations applied.\n",
        "",
    )
    assert _migrate(environment, empty_folder) == (0, "The schema is up to date: 0 migrations applied.\n", "")


def test_a_missing_setting_is_told_before_anything_starts(environment: dict[str, str], empty_folder: Path) -> None:
    absent = empty_folder / "absent"
    status, output, error = _migrate({**environment, "NEXUS_POSTGRES_PASSWORD_FILE": str(absent)}, empty_folder)
    assert (status, output) == (78, "")
    assert error.startswith("Invalid configuration:\n  NEXUS_POSTGRES_PASSWORD_FILE  ")


def test_migrate_reports_a_postgresql_that_is_away(environment: dict[str, str], empty_folder: Path) -> None:
    url = "postgresql://dataflow@127.0.0.1:9/nexus"
    status, output, error = _migrate({**environment, "NEXUS_POSTGRES_URL": url}, empty_folder)
    assert (status, output) == (75, "")
    assert error.startswith("PostgreSQL does not answer: ")
    assert error.endswith("Migrations that were applied stay applied. Run migrate again once PostgreSQL answers.\n")


LOAD = """
import json, sys
import nexus_chassis.server, dataflow_service.app
from dataflow_service.registry import loader
loader.load("dataflow_service.models")
print(json.dumps([module.__file__ for module in sys.modules.values() if getattr(module, "__file__", None)]))
"""


def test_what_the_image_leaves_out_is_never_loaded(environment: dict[str, str], empty_folder: Path) -> None:
    variables = tomllib.loads((ROOT / "project.toml").read_text())["io"]["buildpacks"]["build"]["env"]
    pruned = next(variable["value"] for variable in variables if variable["name"] == "BP_NEXUS_PRUNE").split()
    command = [sys.executable, "-c", LOAD]
    loaded = json.loads(subprocess.check_output(command, env=environment, cwd=empty_folder, text=True))
    assert any("/kailash/" in path for path in loaded)
    assert [path for path in loaded if any(f"/{glob}/" in path for glob in pruned)] == []


def test_every_setting_is_documented() -> None:
    assert_settings_documented(Settings, ROOT / "README.md")
