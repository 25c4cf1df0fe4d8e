"""SIGHUP: what a service can change while it runs is read again, and no connection is dropped."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from types import FrameType

from nexus_chassis.errors import ConfigurationError
from nexus_chassis.listeners import Listeners

_log = logging.getLogger(__name__)


def reload_certificate(listeners: Listeners) -> None:
    """Read the certificate again for new connections; one that cannot be used is logged, and the former one kept."""
    if listeners.tls is None:
        return
    try:
        listeners.tls.certificate.reload()
    except ConfigurationError as error:
        _log.error("the certificate was not changed: %s", error)


class Reload:
    """The reloads of one worker process. A signal that comes while the application opens waits until it is open."""

    def __init__(self, listeners: Listeners) -> None:
        self._listeners = listeners
        self._requested = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()

    def request(self, _signal: int, _frame: FrameType | None) -> None:
        """Ask for a reload; a signal handler."""
        self._requested = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self, hooks: Iterable[Callable[[], Awaitable[None]]]) -> None:
        """Read the certificate again and call `hooks` whenever asked to, until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            if self._requested:
                self._requested = False
                await self._reload(hooks)
            await self._wake.wait()
            self._wake.clear()

    async def _reload(self, hooks: Iterable[Callable[[], Awaitable[None]]]) -> None:
        reload_certificate(self._listeners)
        for hook in hooks:
            try:
                await hook()
            except Exception as error:  # noqa: BLE001  what cannot be read now stays as it is, and the rest is read
                _log.error("not reloaded: %s", str(error) or type(error).__name__)
        _log.info("reloaded")
