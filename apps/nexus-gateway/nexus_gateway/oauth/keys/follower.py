"""Keeps a worker's signing keys up to date."""

import asyncio
import logging
from contextlib import AbstractAsyncContextManager

from nexus_chassis.background import in_background
from nexus_gateway.oauth.keys.service import SigningKeyService

FOLLOW_SECONDS = 1.0
_log = logging.getLogger(__name__)


def following_keys(service: SigningKeyService) -> AbstractAsyncContextManager[None]:
    """Context manager within which the keys are read every second, and what is due is done with them."""
    return in_background(_follow(service))


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
