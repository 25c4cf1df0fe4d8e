"""Rows of the package kept_rows."""

from typing import Any

import aiohttp
import asyncpg
from channel import shown


async def create(client: aiohttp.ClientSession, path: str, **row: object) -> Any:  # noqa: ANN401 - ids of any type
    """Create a row and return its id."""
    response = await client.post(f"/v1/{path}", json=row)
    assert response.status == 201, await response.text()
    return (await response.json())["id"]


async def delete(client: aiohttp.ClientSession, path: str) -> None:
    """Delete a row."""
    response = await client.delete(f"/v1/{path}")
    assert response.status == 204, await response.text()


async def restore(client: aiohttp.ClientSession, path: str) -> None:
    """Restore a row."""
    response = await client.post(f"/v1/{path}/restore")
    assert response.status == 200, await response.text()


async def ids(client: aiohttp.ClientSession, path: str, *, deleted: bool = False) -> list[Any]:
    """The ids of the rows that are there, or of the deleted ones."""
    items = (await (await client.get(f"/v1/{path}?deleted={str(deleted).lower()}")).json())["items"]
    return [row["id"] for row in items]


async def changes(client: aiohttp.ClientSession, database: asyncpg.Connection, after: str) -> list[Any]:
    """What the feed has since, once it shows all changes."""
    await shown(database)
    items = (await (await client.get(f"/v1/changes?after={after}")).json())["items"]
    return [(change["op"], change["model"], change["id"], change["changed"]) for change in items]
