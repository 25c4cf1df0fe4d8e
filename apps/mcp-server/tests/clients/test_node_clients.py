"""The official TypeScript SDK and the command line of the Inspector as clients of the running server.

`make prove` installs them, and runs this.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from clients.node_packages import INSPECTOR, NODE, SCRIPT

EXPECTED: dict[str, Any] = {
    "server": "nexus-mcp-server",
    "tools": True,
    "called": "This is a simple text response for testing.",
    "failed": True,
    "resource": "This is the content of the static text resource.",
    "prompt": "Prompt with arguments: arg1='a', arg2='b'",
    "progress": "Reported progress three times.",
    "reports": [0, 50, 100],
    "asked": True,
}
REVISIONS = {"legacy": "2025-11-25", "auto": "2026-07-28"}


async def _run(folder: Path, *arguments: str) -> str:
    environment = {"HOME": str(folder), "PATH": str(Path(NODE).parent)}
    process = await asyncio.create_subprocess_exec(
        NODE, *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        output, errors = await process.communicate()
    assert process.returncode == 0, (output, errors)
    return output.decode()


@pytest.mark.parametrize("mode", REVISIONS)
@pytest.mark.parametrize("door", ["http", "websocket"])
async def test_node_client_of_the_typescript_sdk(
    fixture_service: str, token: str, tmp_path: Path, door: str, mode: str
) -> None:
    found = json.loads(await _run(tmp_path, SCRIPT, fixture_service, token, door, mode))
    assert "There is no tool 'sing'" in found.pop("refused")
    assert found == {**EXPECTED, "revision": REVISIONS[mode]}


async def _inspect(service: str, token: str, folder: Path, *arguments: str) -> dict[str, Any]:
    header = f"Authorization: Bearer {token}"
    output = await _run(
        folder, INSPECTOR, "--cli", f"{service}/mcp", "--transport", "http", "--header", header, *arguments
    )
    return dict(json.loads(output))


async def test_node_client_of_the_inspector(fixture_service: str, token: str, tmp_path: Path) -> None:
    listed = await _inspect(fixture_service, token, tmp_path, "--method", "tools/list")
    assert "test_simple_text" in [tool["name"] for tool in listed["tools"]]
    call = ("--method", "tools/call", "--tool-name", "test_simple_text")
    called = await _inspect(fixture_service, token, tmp_path, *call)
    assert called["content"] == [{"type": "text", "text": EXPECTED["called"]}]
    read = await _inspect(fixture_service, token, tmp_path, "--method", "resources/read", "--uri", "test://static-text")
    assert read["contents"][0]["text"] == EXPECTED["resource"]
