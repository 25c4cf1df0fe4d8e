"""The conformance suite, over HTTP and over WebSocket, against a server with its fixtures.

Whatever is not a success is named in expectations.json, with the reason. `make prove` installs the suite and runs this.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from conftest import MakeSettings
from doors import http_door, opened, websocket_door
from fixtures_of_suite import catalogue
from suite import NODE, SUITE

from mcp_server.app import create_app
from mcp_server.limits import MAX_MESSAGE_BYTES
from nexus_testkit import Issuer, serving

EXPECTED: dict[str, Any] = json.loads(Path(__file__).with_name("expectations.json").read_text())
DOORS: dict[str, Callable[[str, str], web.Application]] = {"http": http_door, "websocket": websocket_door}


@pytest.fixture
async def address(
    request: pytest.FixtureRequest, make_settings: MakeSettings, issuer: Issuer, unused_tcp_port: int
) -> AsyncIterator[str]:
    """The address by which the suite reaches the server, which knows it as its own."""
    url = f"http://localhost:{unused_tcp_port}"
    app = create_app(make_settings(public_url=url), lambda _upstreams, notices: catalogue(notices))
    token = issuer.mint("mcp-server", ["tools:call"])
    async with (
        serving(app, max_frame_bytes=MAX_MESSAGE_BYTES) as server,
        opened(DOORS[request.param](server, token), unused_tcp_port),
    ):
        yield f"{url}/mcp"


async def _run(address: str, revision: str, folder: Path) -> str:
    arguments = ["server", "--url", address, "--requirements", revision, "--output-dir", str(folder)]
    process = await asyncio.create_subprocess_exec(
        NODE, SUITE, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(240):
        output, _ = await process.communicate()
    return output.decode()


def _results(folder: Path) -> tuple[dict[str, int], list[dict[str, str]]]:
    """How many checks of each scenario succeeded, and those that did not."""
    successes, others = {}, []
    for path in sorted(folder.glob("*/checks.json")):
        scenario = path.parent.name.removeprefix(
            "server-",
        ).rpartition("-202")[0]
        checks = json.loads(path.read_text())
        successes[scenario] = sum(check["status"] == "SUCCESS" for check in checks)
        others += [
            {"scenario": scenario, "check": check["id"], "status": check["status"]}
            for check in checks
            if check["status"] not in {"SUCCESS", "INFO"}
        ]
    return successes, others


@pytest.mark.parametrize("revision", ["2026-07-28", "2025-11-25"])
@pytest.mark.parametrize("address", list(DOORS), indirect=True)
async def test_conformance_suite(address: str, revision: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    output = await _run(address, revision, tmp_path / "results")
    successes, others = _results(tmp_path / "results")
    expected = EXPECTED[request.node.callspec.params["address"]][revision]
    reasons = [{name: it[name] for name in ("scenario", "check", "status")} for it in expected["others"]]
    assert (successes, others) == (expected["successes"], reasons), output
    assert all(it["reason"] for it in expected["others"])
