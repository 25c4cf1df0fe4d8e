"""Reads server-sent events."""

import asyncio
import json
from typing import Any

import aiohttp


async def next_message(response: aiohttp.ClientResponse, seconds: float = 10) -> dict[str, Any]:
    """The next message of a stream of events; keep-alive comments are left out."""
    async with asyncio.timeout(seconds):
        while line := await response.content.readline():
            if line.startswith(b"data: "):
                return dict(json.loads(line.removeprefix(b"data: ")))
    raise AssertionError("the stream has ended")


async def has_ended(response: aiohttp.ClientResponse, seconds: float = 10) -> bool:
    """Whether nothing but comments comes until the stream ends."""
    async with asyncio.timeout(seconds):
        rest = await response.content.read()
    return all(line.startswith(b":") or not line for line in rest.splitlines())
