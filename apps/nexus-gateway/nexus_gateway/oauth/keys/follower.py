"""Keeps a worker's signing keys up to date."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nexus_gateway.oauth.keys.service import SigningKeyService

FOLLOW_SECONDS = 1.0
_log = logging.getLogger(__name__)


@asynccontextmanager
async def following_keys(service: SigningKeyService) -> AsyncIterator[None]:
    """Read the keys every second, and do what is due with them, while the block runs."""
    task = asyncio.create_task(_follow(service))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _follow(service: SigningKeyService) -> None:
    fault = ""
    while True:
        await asyncio.sleep(FOLLOW_SECONDS)
        before, fault = fault, await _maintain(service)
        if fault and fault != before:
            _log.warning("the signing keys are not up to date: %s", fault)


async def _maintain(service: SigningKeyService) -> str:
    """The reason why it was not possible; empty where it was."""
    try:
        await service.maintain()
    except Exception as error:  # noqa: BLE001  whatever it was, the next attempt may succeed
        return f"{type(error).__name__}: {error}"
    return ""
