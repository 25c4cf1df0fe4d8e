"""The example workflows of mcp-server, deployed and run on the stack as their README says."""

import csv
import io
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from harness.stack import Stack, login
from harness.workflows import ended, mcp_client, start

from nexusctl.workspace import ROOT

EXAMPLES = ROOT / "apps" / "mcp-server" / "examples"
RUN_SECONDS = 120
COMMAND_SECONDS = 300

# How the images were built makes no difference here.
pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")

Execute = Callable[..., str]


@pytest.fixture(scope="module")
def gateway(stack: Stack) -> Iterator[httpx.Client]:
    with login(stack) as client:
        yield client


@pytest.fixture(scope="module")
def mcp(stack: Stack, gateway: httpx.Client) -> Iterator[httpx.Client]:
    with mcp_client(stack, gateway) as client:
        yield client


@pytest.fixture(scope="module")
def execute(stack: Stack, mcp: httpx.Client) -> Execute:
    """Run a script of the examples and return what it prints."""
    token = mcp.headers["Authorization"].removeprefix("Bearer ")
    environment = {**os.environ, "NEXUS_TOKEN": token, "NEXUS_MCP_URL": f"http://localhost:{stack.mcp_port}"}

    def run(script: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-B", script, *arguments],
            cwd=EXAMPLES,
            env=environment,
            capture_output=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    return run


def result_of(mcp: httpx.Client, workflow: str, /, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 # any JSON
    """Run what `live` names, and return its result."""
    found = ended(mcp, start(mcp, workflow, arguments), time.monotonic() + RUN_SECONDS)
    assert found["state"] == "finished", found
    result: dict[str, Any] = found["result"]
    return result


def rows(gateway: httpx.Client, model: str, **wanted: object) -> list[dict[str, Any]]:
    """Return the rows of a model whose fields have these values, in their order."""
    answer = gateway.get(f"/v1/data/{model}", params={"filter": json.dumps(wanted), "order": "id"})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_a_price_list_is_imported_and_classified(execute: Execute, mcp: httpx.Client, gateway: httpx.Client) -> None:
    assert execute("deploy.py", "import_price_list").endswith("named by the alias live\n")
    mark = secrets.token_hex(4)
    lines = [("hex nut M8 steel", 0.04), ("cordless drill 18V", 89.5)]
    sent = [{"sku": f"{mark}-{number}", "name": name, "price": price} for number, (name, price) in enumerate(lines)]
    about = {"supplier": mark, "price_list": mark, "name": "Prices", "currency": "EUR", "valid_from": "2027-01-01"}
    first = result_of(mcp, "import_price_list", rows=sent, **about)
    assert (first["products_added"], first["products_changed"], first["prices"]) == (2, 0, 2)
    products = rows(gateway, "product", supplier=mark)
    assert [(row["sku"], row["name"]) for row in products] == [(row["sku"], row["name"]) for row in sent]
    assert len([row for row in products if row["unspsc_code"]]) == first["classified"] > 0
    sent[0]["price"] = 0.05
    again = result_of(mcp, "import_price_list", rows=sent, **about)
    assert (again["products_added"], again["products_changed"], again["prices"]) == (0, 2, 2)
    prices = rows(gateway, "priceitem", price_list_id=mark)
    assert [float(item["price"]) for item in prices] == [0.05, 89.5]


def test_products_without_a_code_are_queued_once(execute: Execute, mcp: httpx.Client, gateway: httpx.Client) -> None:
    execute("deploy.py", "products_without_code")
    name = f"hex nut {secrets.token_hex(4)}"
    assert gateway.post("/v1/data/product", json={"name": name}).status_code == 201
    queued = 1
    while queued:  # other tests leave products, too
        queued = result_of(mcp, "products_without_code", limit=1000)["queued"]
    (row,) = rows(gateway, "product", name=name)
    assert row["attributes"]["review"]["state"] == "waiting"
    assert len(row["attributes"]["review"]["candidates"]) == 3


def test_all_products_are_exported(execute: Execute, gateway: httpx.Client) -> None:
    execute("deploy.py", "nightly_export")
    name = f"exported {secrets.token_hex(4)}"
    assert gateway.post("/v1/data/product", json={"name": name}).status_code == 201
    header, *exported = csv.reader(io.StringIO(execute("export.py"), newline=""))
    assert header == ["id", "sku", "name", "supplier", "unspsc_code", "etim_class", "updated_at"]
    assert len(exported) == gateway.get("/v1/data/product/count").json()["count"]
    assert [row[2] for row in exported if name in row] == [name]


def test_an_agent_runs_a_deployed_workflow(execute: Execute, mcp: httpx.Client) -> None:
    execute("deploy.py", "nightly_export")
    arguments = {"workflow": "nightly_export", "arguments": {"limit": 1}}
    call = {"name": "run_workflow", "arguments": arguments}
    answer = mcp.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call})
    result = answer.json()["result"]
    assert result["isError"] is False, result
    assert (result["structuredContent"]["state"], result["structuredContent"]["result"]["rows"]) == ("finished", 1)
