"""The files of examples/warehouse, by the command line: as its models, applied, checked, and drifted from."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from conftest import ROOT, MakeSettings

from dataflow_service.settings import MIGRATIONS
from nexus_chassis.postgres import migrate

type Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    """Runs `migrate` with arguments for the warehouse, in an empty folder."""
    path = f"{environment['PYTHONPATH']}:{ROOT / 'examples'}"
    variables = {**environment, "DATAFLOW_MODELS": "warehouse", "PYTHONPATH": path}

    def done(*arguments: str, **changes: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "dataflow_service", "migrate", *arguments]
        ended = subprocess.run(
            command, env=variables | changes, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
        )
        return ended.returncode, ended.stdout, ended.stderr

    return done


def test_files_are_checked_without_settings_and_without_a_database(run: Run) -> None:
    nothing = {"NEXUS_POSTGRES_URL": "none", "NEXUS_POSTGRES_PASSWORD_FILE": "/none"}
    assert run("check", **nothing) == (0, "Checked: 1 files, the models.\n", "")
    assert run("make", "more", **nothing) == (0, "The files declare what the models do: nothing was written.\n", "")


def test_a_package_without_files_says_how_to_begin(run: Run) -> None:
    assert run("apply", DATAFLOW_MODELS="dataflow_service.models") == (
        1,
        "",
        (
            "The package dataflow_service.models has no files in `migrations`. Write the first by `migrate make initial`, "
            "or apply a plan by its checksum: `migrate apply CHECKSUM`.\n"
        ),
    )


async def test_the_warehouse_is_made_by_its_files(
    run: Run, make_settings: MakeSettings, database: asyncpg.Connection
) -> None:
    await migrate(make_settings(), MIGRATIONS)
    status, output, error = run("check", "--database")
    assert (status, output, error.splitlines()[:2]) == (
        1,
        "",
        ["The database differs from the files:", "pending: 0001_initial"],
    )
    status, output, error = run("apply")
    assert (status, error) == (0, "")
    assert output.splitlines()[1:] == ["The files are applied: 1 of 1 now."]
    assert output.splitlines()[0].endswith("58 of 58 steps in effect, file 0001_initial")
    assert run("check", "--database") == (0, "Checked: 1 files, the models, the database.\n", "")
    assert run("plan")[1].startswith("The tables are as the models declare them.\n")
    assert run("apply") == (0, "The files are applied: 0 of 1 now.\n", "")
    await database.execute("DROP INDEX stocks_item_id_idx")
    status, output, error = run("check", "--database")
    assert (status, output, error.splitlines()[1:2]) == (
        1,
        "",
        [
            (
                "drift: index stocks_item_id_idx of stocks: found nothing, declared "
                'CREATE INDEX "stocks_item_id_idx" ON "stocks" ("tenant_id", "item_id")'
            )
        ],
    )
