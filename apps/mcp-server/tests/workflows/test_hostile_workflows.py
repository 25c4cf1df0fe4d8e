"""Deployed workflows that attack: each is contained, and the server answers meanwhile as it does otherwise."""

import os
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from hostile_code import ATTACKS
from mcp_clients import message
from stack import Stack
from workflow_client import arguments_of, code, deploy, draft, post, start, until

pytestmark = pytest.mark.usefixtures("names", "no_workflows")

SECONDS = 4.0
_CODE = """import os
load = os.sys.modules['importlib'].import_module
fact = dict(facts, result='succeeded')
load('builtins').exec(text, {'load': load, 'os': os, 'fact': fact})
result = fact['result']
"""
_TOOL = {"node_type": "ToolNode", "config": {"tool": "classify_products", "arguments": {"products": [{"text": "nut"}]}}}
ANYTHING = draft(
    {"only": code(_CODE), "tool": _TOOL},
    output="only.result",
    inputSchema=arguments_of("text", "facts"),
    inputs={"only": {"text": "text", "facts": "facts"}},
    timeout_seconds=SECONDS,
)
"""A workflow that runs whatever it is given: what Kailash checks of code does not stop it."""


@pytest.fixture
def facts(workflow_service: str, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """What there is to attack."""
    (tmp_path / "outside").mkdir()
    (secret := tmp_path / "outside" / "secret").write_text("secret")
    name = f"nexus-hostile-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"\0{name}")
        listening.listen()
        yield {
            "python": sys.executable,
            "port": urlsplit(workflow_service).port,
            "pid": os.getpid(),
            "abstract": name,
            "secret": str(secret),
            "folder": str(secret.parent),
            **{store: _address(f"NEXUS_TEST_{store.upper()}_URL") for store in ("postgres", "redis")},
        }


def _address(variable: str) -> list[Any]:
    url = urlsplit(os.environ[variable])
    return [url.hostname, url.port]


async def _milliseconds(client: aiohttp.ClientSession) -> float:
    """How long a list of the tools takes."""
    started = time.perf_counter()
    async with client.post("/mcp", json=message("tools/list")) as response:
        assert response.status == 200
    return (time.perf_counter() - started) * 1000


async def test_every_attack_is_contained_while_the_server_answers(
    deployer: aiohttp.ClientSession, stack: Stack, facts: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    await deploy(deployer, "anything", ANYTHING, arguments={"text": "", "facts": facts})
    assert (await until(deployer, await start(deployer, "anything", text="", facts=facts)))["result"] == "succeeded"
    quiet = [await _milliseconds(deployer) for _ in range(100)]
    ended, busy = {}, []
    for name, attack in ATTACKS.items():
        run = await start(deployer, "anything", text=attack.code, facts=facts)
        await until(deployer, run, "running", "finished", "failed")
        busy += [await _milliseconds(deployer) for _ in range(10)]
        found = await until(deployer, run, seconds=60)
        ended[name] = (found["state"], found["reason"])
    median, otherwise = statistics.median(busy), statistics.median(quiet)
    with capfd.disabled():
        sys.stdout.write(f"\ntools/list beside {len(ATTACKS)} attacks: {median:.1f} ms; without: {otherwise:.1f} ms\n")
    assert ended == {name: ("failed", attack.reason) for name, attack in ATTACKS.items()}
    assert os.listdir(facts["folder"]) == ["secret"]  # noqa: PTH208
    assert stack.products == []
    assert "/v1/product" not in stack.requests
    assert median < 3 * otherwise + 20
    assert (await until(deployer, await start(deployer, "anything", text="", facts=facts)))["state"] == "finished"


DEFINITIONS: dict[str, dict[str, Any]] = {
    "a template in code": draft("result = '${text}'"),
    "a template in the name of a member": draft({"s": {"node_type": "Sort", "config": {"data": [{"${x}": 1}]}}}),
    "a nested workflow with another node": draft(
        {"w": {"node_type": "WorkflowNode", "config": {"workflow": {"nodes": {"x": {"node_type": "HTTPRequestNode"}}}}}}
    ),
    "a node that is not listed": draft({"x": {"node_type": "HTTPRequestNode", "config": {"url": "http://redis"}}}),
    "a node that has more than it may": draft({"x": {"node_type": "AsyncPythonCodeNode", "config": {"code": "1"}}}),
    "a config in the config": draft({"x": code("result = 1", config={"code": "result = 2"})}),
    "a function instead of code": draft({"x": code("result = 1", function="os.system")}),
    "another id within": draft({"x": {**code("result = 1"), "node_id": "y"}}),
    "another type within": draft({"x": {"type": "HTTPRequestNode", **code("result = 1")}}),
    "an input that is code": draft("result = 1", inputSchema=arguments_of("a"), inputs={"only": {"code": "a"}}),
    "an input that turns off the checks": draft(
        "result = 1", inputSchema=arguments_of("a"), inputs={"only": {"sandbox_mode": "a"}}
    ),
    "a schema that is fetched": draft("result = 1", outputSchema={"type": "object", "$ref": "http://127.0.0.1/x"}),
    "a schema that is a file": draft("result = 1", outputSchema={"type": "object", "$ref": "file:///etc/passwd"}),
}


@pytest.mark.parametrize("name", DEFINITIONS)
async def test_a_hostile_definition_is_refused(deployer: aiohttp.ClientSession, name: str) -> None:
    status, problem = await post(deployer, "hostile/versions", DEFINITIONS[name])
    assert (status, problem["type"]) == (422, "urn:nexus:problem:workflow-refused")


async def test_a_template_in_an_argument_stays_as_it_is(deployer: aiohttp.ClientSession) -> None:
    body = draft("result = a", inputSchema=arguments_of("a"), inputs={"only": {"a": "a"}})
    await deploy(deployer, "same", body, arguments={"a": 1})
    value = {"${a}": "${NEXUS_SECRET}", "list": ["${only.result}"]}
    assert (await until(deployer, await start(deployer, "same", a=value)))["result"] == value
