"""The tools of each tenant: those that are built in, and what its users have registered."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from weakref import WeakValueDictionary

from cachetools import LRUCache
from pydantic_core import to_json

from mcp_server.notices import topics
from mcp_server.notices.service import Fields, Notices
from mcp_server.protocol.messages import Encoded
from mcp_server.tools import repository
from mcp_server.tools.definitions import ToolDefinition
from mcp_server.tools.errors import ToolRefusedError, ToolsAwayError
from mcp_server.tools.registry import Tool, ToolRegistry
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError
from nexus_chassis.unit_of_work import Database

LOOK_SECONDS = 5.0
"""How long a change may stay unseen whose notice was lost, because Redis was away."""

_RETRY_SECONDS = 1.0
_MAX_TENANTS = 256
_MAX_LISTS = 64
_log = logging.getLogger(__name__)

type Make = Callable[[str, ToolDefinition], Tool]


class Catalogue:
    """Tools by name, and their lists as they are sent."""

    def __init__(self, builtin: ToolRegistry, registered: Mapping[str, Tool]) -> None:
        self.tools: dict[str, Tool] = {**registered, **{tool.name: tool for tool in builtin}}
        self._order = [*builtin, *(tool for name, tool in registered.items() if builtin.get(name) is None)]
        self._scopes = frozenset[str]().union(*(tool.scopes for tool in self._order))
        self._lists: dict[frozenset[str], Encoded] = {}

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._order)

    def listing(self, scopes: frozenset[str]) -> Encoded:
        """Return the tools that a token with these scopes may call, as the result of tools/list."""
        known = scopes & self._scopes
        if (encoded := self._lists.get(known)) is None:
            shown = [tool.definition() for tool in self._order if tool.scopes <= known]
            encoded = Encoded(to_json({"tools": shown})[1:-1])
            if len(self._lists) < _MAX_LISTS:
                self._lists[known] = encoded
        return encoded


@dataclass(slots=True)
class _Held:
    """What is known of a tenant's tools: `versions` in use as of `generation`, which was right at `seen_at`."""

    catalogue: Catalogue
    generation: int
    versions: dict[str, int]
    tools: dict[str, Tool]
    seen_at: float


class Catalogues:
    """The catalogues of the tenants that were asked for lately, each read again once it has changed."""

    def __init__(self, builtin: ToolRegistry, database: Database, make: Make, notices: Notices) -> None:
        self.builtin = builtin
        self._only_builtin = Catalogue(builtin, {})
        self._database = database
        self._make = make
        self._notices = notices
        self._held: LRUCache[str, _Held] = LRUCache(_MAX_TENANTS)
        self._reading: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._changed: set[str] = set()
        self._unread: set[str] = set()

    async def of(self, tenant: str) -> Catalogue:
        """Return the catalogue of a tenant; what was read last where it cannot be read now.

        Raises:
            ToolsAwayError: It was never read, and cannot be now.
        """
        if (held := self._fresh(tenant)) is not None:
            return held.catalogue
        reading = self._reading.setdefault(tenant, asyncio.Lock())
        async with reading:
            return await self._read(tenant)

    def _fresh(self, tenant: str) -> "_Held | None":
        held = self._held.get(tenant)
        is_fresh = held is not None and tenant not in self._changed and time.monotonic() < held.seen_at + LOOK_SECONDS
        return held if is_fresh else None

    async def shown(self, tenant: str) -> Catalogue:
        """Return the catalogue to list: the built-in tools alone while others cannot be read; clients hear when they can."""
        try:
            return await self.of(tenant)
        except ToolsAwayError:
            self._unread.add(tenant)
            return self._only_builtin

    def on_change(self, _topic: str, fields: Fields) -> None:
        """Read the tools of a tenant again before they are used next."""
        tenant = fields.get("tenant", "")
        if tenant in self._held or tenant in self._reading:
            self._changed.add(tenant)

    async def keep(self) -> None:
        """Let clients know, until cancelled, once tools can be read that could not be when they were listed."""
        while True:
            await asyncio.sleep(_RETRY_SECONDS)
            for tenant in list(self._unread):
                try:
                    await self.of(tenant)
                except ToolsAwayError:
                    break
                self._unread.discard(tenant)
                self._notices.deliver(topics.TOOLS, {"tenant": tenant})

    async def _read(self, tenant: str) -> Catalogue:
        if (held := self._fresh(tenant)) is not None:
            return held.catalogue  # another request has read it meanwhile
        held, was_told = self._held.get(tenant), tenant in self._changed
        self._changed.discard(tenant)  # what changes from here on is seen by the next reader
        try:
            catalogue, is_new = await self._read_changed(tenant, held)
        except (DatabaseUnavailableError, PoolExhaustedError) as error:
            _log.warning("the registered tools cannot be read for now: %s", error)
            if held is None:
                raise ToolsAwayError from error
            held.seen_at = time.monotonic() + _RETRY_SECONDS - LOOK_SECONDS
            return held.catalogue
        if is_new and held is not None and not was_told:
            self._notices.deliver(topics.TOOLS, {"tenant": tenant})
        return catalogue

    async def _read_changed(self, tenant: str, held: _Held | None) -> tuple[Catalogue, bool]:
        now = time.monotonic()
        async with self._database.read(tenant=tenant) as connection:
            generation = await repository.generation(connection)
            if held is not None and held.generation == generation:
                held.seen_at = now
                return held.catalogue, False
            versions, changed = await repository.read_active(connection, held.versions if held is not None else {})
        known = held.tools if held is not None else {}
        made = {stored.definition.name: self._tool(tenant, stored.definition) for stored in changed}
        found = {name: made[name] if name in made else known.get(name) for name in versions}
        tools = {name: tool for name, tool in found.items() if tool is not None}
        self._held[tenant] = _Held(Catalogue(self.builtin, tools), generation, versions, tools, now)
        return self._held[tenant].catalogue, True

    def _tool(self, tenant: str, definition: ToolDefinition) -> Tool | None:
        try:
            return self._make(tenant, definition)
        except ToolRefusedError as error:  # it could be registered when the server had other settings
            _log.warning("a registered tool is left out: %s", error)
            return None
