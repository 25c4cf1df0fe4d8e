"""Clients that generators make of the gateway's OpenAPI document: they are complete, and they work."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.stack import Stack, login

FILES = Path(__file__).with_name("clients")
NAME = "Cordless drill of a generated client"
FOUND = {
    "username": "admin",
    "created": NAME,
    "changed": f"{NAME}, changed",
    "listed": [f"{NAME}, changed"],
    "models": True,
    "tools": 200,
    "removed": 204,
    "missing": "urn:nexus:problem:no-such-row",
}

pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx.Client]:
    with login(stack) as client:
        yield client


@pytest.fixture(scope="module")
def folder(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files of the clients, with the gateway's document beside them."""
    folder = tmp_path_factory.mktemp("clients")
    shutil.copytree(FILES, folder, dirs_exist_ok=True)
    (folder / "openapi.json").write_bytes(client.get("/openapi.json").content)
    return folder


def run(folder: Path, *command: str | Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def arguments(client: httpx.Client) -> list[str]:
    """Address, token, and the name of the row that the client makes."""
    return [str(client.base_url).rstrip("/"), client.headers["Authorization"].removeprefix("Bearer "), NAME]


def test_the_document_has_the_operations_of_all_services(client: httpx.Client) -> None:
    document: dict[str, Any] = client.get("/openapi.json").json()
    tags = {operation["tags"][0] for item in document["paths"].values() for operation in item.values()}

    assert "x-unavailable-services" not in document
    assert {"data", "classification", "agents", "users", "sessions"} <= tags


def test_a_client_of_openapi_python_client_works(client: httpx.Client, folder: Path) -> None:
    run(folder, sys.executable, "-m", "venv", "venv")
    python = folder / "venv" / "bin" / "python"
    run(folder, python, "-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", "requirements.txt")
    options = ["--path", "openapi.json", "--output-path", "nexus_client", "--config", "generator.yml", "--meta", "none"]
    run(folder, folder / "venv" / "bin" / "openapi-python-client", "generate", *options, "--fail-on-warning")

    assert json.loads(run(folder, python, "use.py", *arguments(client))) == FOUND


def test_a_client_of_openapi_typescript_works(client: httpx.Client, folder: Path) -> None:
    run(folder, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    run(folder, "npx", "openapi-typescript", "openapi.json", "--output", "schema.d.ts")
    run(folder, "npx", "tsc")

    assert json.loads(run(folder, "node", "use.js", *arguments(client))) == FOUND
