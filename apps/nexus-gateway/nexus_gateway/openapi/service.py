"""Fetches the documents of the routed services, and keeps what becomes of them for a while."""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from nexus_chassis import strict_json
from nexus_chassis.http import AnswerTooLargeError, read_at_most
from nexus_chassis.strict_json import InvalidJsonError
from nexus_gateway.openapi.errors import UnusableDocumentError
from nexus_gateway.openapi.merging import UNAVAILABLE, Document, Source, merge

_TIMEOUT_SECONDS = 2.0
_MAX_BYTES = 4 * 1024 * 1024
_WHOLE_SECONDS = 60
_PARTIAL_SECONDS = 5
_PATHS = "/v1"
_log = logging.getLogger(__name__)


class Routed(Protocol):
    """A route, as far as its document is concerned."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def service(self) -> str: ...  # noqa: D102
    @property
    def prefix(self) -> str: ...  # noqa: D102
    @property
    def target(self) -> str: ...  # noqa: D102
    @property
    def upstream(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class MergedDocument:
    """The document as JSON, its entity tag (RFC 9110 section 8.8.3), and for how many seconds it is good."""

    content: bytes
    etag: str
    seconds: int


class DocumentService:
    """Makes the merged document. `own` is the gateway's document, `routes` are the routes in use."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        own: Callable[[], Document],
        issuer: str,
        routes: Callable[[], Sequence[Routed]],
    ) -> None:
        self._http = http
        self._own = own
        self._issuer = issuer
        self._routes = routes
        self._lock = asyncio.Lock()
        self._made_of: Sequence[Routed] = ()
        self._expires = float("-inf")
        self._kept: MergedDocument | None = None

    async def get(self) -> MergedDocument:
        """The document: made anew when it is old or the routes have changed."""
        async with self._lock:
            routes = self._routes()
            if self._kept is None or self._made_of is not routes or time.monotonic() > self._expires:
                self._kept = await self._make(routes)
                self._made_of = routes
                self._expires = time.monotonic() + self._kept.seconds
            return self._kept

    async def _make(self, routes: Sequence[Routed]) -> MergedDocument:
        served = [route for route in routes if route.target == _PATHS]
        found = await asyncio.gather(*map(self._fetch, served))
        sources = [source for source in found if source is not None]
        away = [route.service for route, source in zip(served, found, strict=True) if source is None]
        document = merge(self._own(), self._issuer, sources, away)
        content = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        return MergedDocument(content, etag, _PARTIAL_SECONDS if UNAVAILABLE in document else _WHOLE_SECONDS)

    async def _fetch(self, route: Routed) -> Source | None:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                document = await self._read(f"{route.upstream}/openapi.json")
        except (aiohttp.ClientError, OSError, AnswerTooLargeError, InvalidJsonError, UnusableDocumentError) as error:
            _log.warning("the OpenAPI document of %s is left out: %s", route.service, str(error) or "no answer")
            return None
        return Source(route.name, route.service, route.prefix, document)

    async def _read(self, url: str) -> dict[str, Any]:
        async with self._http.get(url, allow_redirects=False, raise_for_status=True) as response:
            document = strict_json.loads(await read_at_most(response, _MAX_BYTES))
        if not isinstance(document, dict):
            raise UnusableDocumentError("it is no JSON object")
        return document
