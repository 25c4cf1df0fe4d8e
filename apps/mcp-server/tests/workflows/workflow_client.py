"""What tests do with workflows over HTTP."""

import asyncio
from typing import Any

import aiohttp

type Json = dict[str, Any]


def code(text: str, **config: Any) -> Json:  # noqa: ANN401  any JSON value
    """A node of code."""
    return {"node_type": "PythonCodeNode", "config": {"code": text, **config}}


def connection(source: str, output: str, target: str, name: str) -> Json:
    """A connection from an output to an input."""
    return {"source_node": source, "source_output": output, "target_node": target, "target_input": name}


def draft(nodes: Json | str, *connections: Json, **members: Any) -> Json:  # noqa: ANN401  any JSON value
    """A version of a workflow of these nodes, or of one node of code, whose `result` is that of the run."""
    if isinstance(nodes, str):
        nodes, members = {"only": code(nodes)}, {"output": "only.result", **members}
    return {"definition": {"name": "w", "nodes": nodes, "connections": list(connections)}, **members}


def arguments_of(*names: str) -> Json:
    """A schema of arguments that are any values."""
    return {"type": "object", "properties": {name: {} for name in names}, "additionalProperties": False}


async def post(client: aiohttp.ClientSession, path: str, body: Json | None = None) -> tuple[int, Any]:
    """Status and body that a request is answered with."""
    async with client.post(f"/v1/workflows/{path}", json=body) as response:
        return response.status, await response.json(content_type=None)


async def get(client: aiohttp.ClientSession, path: str) -> Any:  # noqa: ANN401  any JSON value
    """The body of an answer."""
    async with client.get(f"/v1/workflows/{path}".rstrip("/")) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def put_alias(client: aiohttp.ClientSession, name: str, alias: str, version: int) -> tuple[int, Any]:
    """Status and body that a move of an alias is answered with."""
    async with client.put(f"/v1/workflows/{name}/aliases/{alias}", json={"version": version}) as response:
        return response.status, await response.json()


async def publish(client: aiohttp.ClientSession, name: str, body: Json, **dry_run: Any) -> int:  # noqa: ANN401
    """Send a version, take it all the way, and return its number."""
    status, added = await post(client, f"{name}/versions", body)
    assert status == 201, added
    version = added["version"]
    assert await post(client, f"{name}/validate", {"version": version}) == (200, {"valid": True, "faults": []})
    tried = await post(client, f"{name}/dry-run", {"version": version, **dry_run})
    assert tried[1].get("state") == "finished", tried
    assert (await post(client, f"{name}/versions/{version}/publish"))[0] == 200
    return int(version)


async def deploy(client: aiohttp.ClientSession, name: str, body: Json, **dry_run: Any) -> int:  # noqa: ANN401
    """Publish a version and let the alias `live` name it."""
    version = await publish(client, name, body, **dry_run)
    assert (await put_alias(client, name, "live", version))[0] == 200
    return version


async def start(client: aiohttp.ClientSession, name: str, /, **arguments: Any) -> Json:  # noqa: ANN401  any JSON value
    """Start a run of what `live` names, and return it."""
    status, run = await post(client, f"{name}/runs", {"alias": "live", "arguments": arguments})
    assert status == 202, run
    return dict(run)


async def until(client: aiohttp.ClientSession, run: Json, *states: str, seconds: float = 20) -> Json:
    """The run once it is in one of these states; without them, once it has ended."""
    async with asyncio.timeout(seconds):
        while True:
            found: Json = await get(client, f"{run['name']}/runs/{run['run_id']}")
            if found["state"] in (states or ("finished", "failed", "cancelled")):
                return found
            await asyncio.sleep(0.05)


async def logged(client: aiohttp.ClientSession, run: Json) -> list[str]:
    """The lines of the log of a run."""
    lines = (await get(client, f"{run['name']}/runs/{run['run_id']}/logs"))["items"]
    return [line["message"] for line in lines]


async def until_logged(client: aiohttp.ClientSession, run: Json, count: int, seconds: float = 20) -> list[str]:
    """The lines of the log of a run once there are so many."""
    async with asyncio.timeout(seconds):
        while True:
            lines = await logged(client, run)
            if len(lines) >= count:
                return lines
            await asyncio.sleep(0.05)
