"""The example workflows, deployed and run as their README says."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from conftest import ROOT, MakeToken
from stack import Stack
from workflow_client import start, until

pytestmark = pytest.mark.usefixtures("names", "no_workflows")

EXAMPLES = Path(ROOT) / "examples"

type Execute = Callable[..., Coroutine[Any, Any, str]]


@pytest.fixture
def execute(workflow_service: str, make_token: MakeToken) -> Execute:
    """Runs a script of the examples and returns what it writes."""
    environment = {**os.environ, "NEXUS_MCP_URL": workflow_service, "NEXUS_TOKEN": make_token()}

    async def execute(script: str, *arguments: str) -> str:
        command = [sys.executable, "-B", script, *arguments]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=EXAMPLES, env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return str(done.stdout.decode())

    return execute


async def test_a_price_list_is_imported_and_classified_and_again_changes_what_changed(
    execute: Execute, deployer: aiohttp.ClientSession, stack: Stack
) -> None:
    expected = "import_price_list: version 1 is published, and named by the alias live\n"
    assert await execute("deploy.py", "import_price_list") == expected
    assert stack.rows == {}
    rows = [{"sku": f"N-{number}", "name": f"Hex nut M{number}", "price": number / 100} for number in (6, 8)]
    about = {"supplier": "Fasteners", "price_list": "f-2027", "name": "2027", "currency": "EUR"}
    run = await start(deployer, "import_price_list", rows=rows, valid_from="2027-01-01", **about)
    ended = await until(deployer, run)
    assert ended["result"] == {"products_added": 2, "products_changed": 0, "classified": 2, "prices": 2}, ended
    assert [(row["sku"], row["supplier"], row["unspsc_code"]) for row in stack.products] == [
        ("N-6", "Fasteners", "31161700"),
        ("N-8", "Fasteners", "31161700"),
    ]
    assert stack.rows["PriceList"] == [{"id": "f-2027", "name": "2027", "currency": "EUR", "valid_from": "2027-01-01"}]
    rows[0]["price"] = 0.07
    run = await start(deployer, "import_price_list", rows=rows, valid_from="2027-01-01", **about)
    ended = await until(deployer, run)
    assert ended["result"] == {"products_added": 0, "products_changed": 2, "classified": 2, "prices": 2}, ended
    assert [(item["product_id"], item["price"]) for item in stack.rows["PriceItem"]] == [(1, 0.07), (2, 0.08)]
    run = await start(deployer, "import_price_list", rows=[rows[0]] * 2, valid_from="2027-01-01", **about)
    assert "these SKUs more than once: N-6" in (await until(deployer, run))["detail"]


async def test_products_without_a_code_are_queued_for_review_once(
    execute: Execute, deployer: aiohttp.ClientSession, stack: Stack
) -> None:
    await execute("deploy.py", "products_without_code")
    stack.rows["Product"] = [
        {"id": 1, "name": "Hex nut", "unspsc_code": None, "attributes": {"thread": "M8"}},
        {"id": 2, "name": "Bolt", "unspsc_code": "31161620", "attributes": {}},
        {"id": 3, "name": "Washer", "unspsc_code": None, "attributes": {}},
    ]
    ended = await until(deployer, await start(deployer, "products_without_code", limit=50))
    assert ended["result"] == {"queued": 2, "more": False}, ended
    attributes = [row["attributes"] for row in stack.products]
    assert (attributes[0]["thread"], attributes[0]["review"]["state"]) == ("M8", "waiting")
    assert attributes[0]["review"]["candidates"][0]["code"] == "31161700"
    assert [row.get("review", {}).get("state") for row in attributes] == ["waiting", None, "waiting"]
    ended = await until(deployer, await start(deployer, "products_without_code", limit=50))
    assert ended["result"] == {"queued": 0, "more": False}, ended


async def test_an_export_has_all_products_of_all_pages(execute: Execute, stack: Stack) -> None:
    await execute("deploy.py", "nightly_export")
    stack.rows["Product"] = [{"id": number, "sku": f"N-{number}", "name": 'M8, "x"'} for number in range(1, 1502)]
    lines = (await execute("export.py")).splitlines()
    assert lines[0] == "id,sku,name,supplier,unspsc_code,etim_class,updated_at"
    assert lines[1] == '1,N-1,"M8, ""x""",,,,'
    assert len(lines) == 1502


async def test_the_readme_names_the_scopes_of_each(deployer: aiohttp.ClientSession, execute: Execute) -> None:
    readme = await asyncio.to_thread((EXAMPLES / "README.md").read_text)
    for name in ("import_price_list", "products_without_code", "nightly_export"):
        await execute("deploy.py", name)
        async with deployer.get(f"/v1/workflows/{name}/versions/1") as response:
            nodes = json.loads(await response.text())["content"]["external_nodes"]
        scopes = {node["scope"] for node in nodes.values()} - {None}
        row = next(line for line in readme.splitlines() if f"[{name}.py]" in line)
        assert scopes == {scope for scope in ("data:read", "data:write") if scope in row}
