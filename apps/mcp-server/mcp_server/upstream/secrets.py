"""The secrets of registered tools, as files that whoever runs the stack provides.

The place of a file is the grant: TENANT/HOST/NAME. A tool of another tenant, or one that calls another host, cannot use it.
"""

import asyncio
import logging
from pathlib import Path

from mcp_server.upstream.errors import SecretMissingError
from nexus_chassis.errors import ConfigurationError
from nexus_chassis.settings import read_secret

_log = logging.getLogger(__name__)


class ToolSecrets:
    """Reads them anew for each call, so that a secret can be replaced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def read(self, tenant: str, host: str, name: str) -> str:
        """Return a secret; raises SecretMissingError."""
        parts = (tenant, host, name)
        if any(part in {"", ".", ".."} or "/" in part or "\0" in part for part in parts):
            raise SecretMissingError(name)
        try:
            return await asyncio.to_thread(read_secret, self._folder.joinpath(*parts), "NEXUS_TOOL_SECRETS")
        except ConfigurationError as error:
            _log.warning("a tool lacks its secret: %s", error)
            raise SecretMissingError(name) from None
