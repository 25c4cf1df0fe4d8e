"""`python -m mcp_server.runner` serves runs until SIGTERM, which ends those that run."""

import asyncio
import logging
import signal
from pathlib import Path

from mcp_server.runner.settings import Settings
from mcp_server.runner.supervisor import Runner, serving
from nexus_chassis.logs import configure_logging
from nexus_chassis.settings import load

_HEARTBEAT = Path("/tmp/heartbeat")  # noqa: S108 - where the health probe of the images looks
_log = logging.getLogger(__name__)


async def _main(settings: Settings) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with serving(Runner(settings.processes), settings.host, settings.port, _HEARTBEAT):
        _log.info("taking runs on port %d", settings.port)
        await ended.wait()


if __name__ == "__main__":
    loaded = load(Settings)
    configure_logging("workflow-runner", loaded.log_level)
    asyncio.run(_main(loaded))
