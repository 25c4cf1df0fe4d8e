"""Requests to a model's rows, to copy. A token is expected in the variable TOKEN."""

import json
import shlex
from dataclasses import dataclass

from dataflow_service.pages.samples import sample_row
from dataflow_service.registry.model import Model

API = "/v1/data"
"""Where the gateway serves /v1 of this service."""

_PYTHON = """\
import asyncio
import os

import aiohttp

HEADERS = {{"Authorization": f"Bearer {{os.environ['TOKEN']}}"}}


async def main() -> None:
    async with aiohttp.ClientSession({gateway!r}, headers=HEADERS) as session:
        async with session.post({rows!r}, json={row!r}) as response:
            print(response.status, await response.json(content_type=None))
        async with session.get({rows!r}, params={{"order": {order!r}, "limit": "20"}}) as response:
            print(response.status, await response.json(content_type=None))


asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class Example:
    """What to run: a shell command, or a file with Python."""

    title: str
    text: str


def examples(model: Model, gateway: str) -> list[Example]:
    """Return examples for a model, by way of the gateway at an address."""
    row, rows, order = sample_row(model), f"{gateway}{API}/{model.path}", newest_first(model)
    node = next(node.name for node in model.nodes if node.operation == "list")
    return [
        Example("Read the newest rows", _curl(f"{rows}?order={order}&limit=20")),
        Example("Create a row", _curl(rows, row)),
        Example("Run a node", _curl(f"{gateway}{API}/nodes/{node}/execute", {"parameters": {"limit": 20}})),
        Example("Python", _PYTHON.format(gateway=gateway, rows=f"{API}/{model.path}", row=row, order=order)),
    ]


def newest_first(model: Model) -> str:
    """Return the order in which the rows that were created last come first."""
    return "-id" if model.has_numbers else "-created_at"  # numbers are assigned in order, and have an index


def _curl(url: str, body: object | None = None) -> str:
    lines = [f"curl -s {shlex.quote(url)}", '-H "Authorization: Bearer $TOKEN"']
    if body is not None:
        lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}"]
    return " \\\n  ".join(lines)
