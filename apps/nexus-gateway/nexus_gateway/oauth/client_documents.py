"""Client ID metadata documents (draft-ietf-oauth-client-id-metadata-document): the client's id is its document's address."""

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlsplit

import aiohttp
from cachetools import TLRUCache

from nexus_chassis import strict_json
from nexus_chassis.addresses import is_public
from nexus_chassis.http import AnswerTooLargeError, read_at_most
from nexus_chassis.strict_json import InvalidJsonError
from nexus_gateway.oauth.clients import CODE_GRANTS, MCP_SERVER
from nexus_gateway.oauth.errors import InvalidClientDocumentError
from nexus_gateway.oauth.models import Client, ClientKind
from nexus_gateway.oauth.redirect_uris import is_acceptable

MAX_ADDRESS = 500
MAX_BYTES = 8192
MAX_REDIRECT_URIS = 20
MIN_SECONDS, MAX_SECONDS, DEFAULT_SECONDS, FAILED_SECONDS = 60, 86400, 3600, 30
_MAX_CACHED = 512
_MAX_NAME = 100
_OK = 200
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=([0-9]{1,9})(?:$|[\s,])")
_ADDRESS = re.compile(r"https://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?/[A-Za-z0-9._~!$&'()*+,;=:@%/-]+")


@dataclass(frozen=True, slots=True)
class _Cached:
    client: Client | None
    failure: str
    until: float


class ClientDocuments:
    """Fetches documents, and keeps them as long as their servers say, within limits.

    `session` must not connect to addresses of the own network unless `allow_private`.
    """

    def __init__(self, session: aiohttp.ClientSession, scopes: frozenset[str], *, allow_private: bool) -> None:
        self._session = session
        self._scopes = scopes
        self._allow_private = allow_private
        self._now = time.monotonic
        self._cache: TLRUCache[str, _Cached] = TLRUCache(_MAX_CACHED, ttu=_until, timer=self._clock)
        self._pending: dict[str, asyncio.Task[_Cached]] = {}

    async def find(self, client_id: str) -> Client | None:
        """The client that the document describes; None unless the id is such an address.

        Raises InvalidClientDocumentError. Requests at the same time share one fetch.
        """
        if not is_document_address(client_id):
            return None
        kept = self._cache.get(client_id)
        if kept is None:
            kept = await self._once(client_id)
        if kept.client is None:
            raise InvalidClientDocumentError(kept.failure)
        return kept.client

    def _clock(self) -> float:
        return self._now()

    async def _once(self, address: str) -> _Cached:
        if (task := self._pending.get(address)) is None:
            task = self._pending[address] = asyncio.create_task(self._fetch(address))
            task.add_done_callback(lambda _: self._pending.pop(address, None))
        return await asyncio.shield(task)

    async def _fetch(self, address: str) -> _Cached:
        try:
            document, seconds = await self._get(address)
            kept = _Cached(self._client(address, document), "", self._now() + seconds)
        except (
            aiohttp.ClientError,
            OSError,
            InvalidJsonError,
            AnswerTooLargeError,
            InvalidClientDocumentError,
        ) as error:
            failure = f"The client's document at {address} cannot be used: {_reason(error)}."
            kept = _Cached(None, failure, self._now() + FAILED_SECONDS)
        self._cache[address] = kept
        return kept

    async def _get(self, address: str) -> tuple[Any, int]:
        if not self._allow_private and not _may_be_public(urlsplit(address).hostname or ""):
            _refuse("it is not on the public internet")
        headers = {"Accept": "application/json"}
        async with self._session.get(address, headers=headers, allow_redirects=False) as response:
            if response.status != _OK or not response.content_type.endswith("json"):
                _refuse(f"its server answered {response.status} {response.content_type}, not 200 application/json")
            content = await read_at_most(response, MAX_BYTES)
            return strict_json.loads(content), _seconds(response.headers.get("Cache-Control", ""))

    def _client(self, address: str, document: Any) -> Client:  # noqa: ANN401  any JSON value
        if not isinstance(document, dict) or document.get("client_id") != address:
            _refuse("its client_id is not its own address")
        if document.get("token_endpoint_auth_method", "none") != "none":
            _refuse("its token_endpoint_auth_method is not none")
        uris = document.get("redirect_uris")
        if not isinstance(uris, list) or not 0 < len(uris) <= MAX_REDIRECT_URIS:
            _refuse(f"its redirect_uris are not a list of 1 to {MAX_REDIRECT_URIS}")
        if not all(isinstance(uri, str) and is_acceptable(uri) for uri in uris):
            _refuse("one of its redirect_uris is not acceptable")
        return Client(
            id=address,
            name=_name(document.get("client_name")) or address,
            kind=ClientKind.PUBLIC,
            redirect_uris=tuple(uris),
            grant_types=CODE_GRANTS,
            scopes=self._scopes,
            audiences=frozenset({MCP_SERVER}),
        )


def is_document_address(client_id: str) -> bool:
    """Whether a client id is the address of a document: https, with a path, and spelled in one way."""
    if len(client_id) > MAX_ADDRESS or not _ADDRESS.fullmatch(client_id):
        return False
    return {".", ".."}.isdisjoint(urlsplit(client_id).path.split("/"))


def _until(_address: str, kept: _Cached, _now: float) -> float:
    return kept.until


def _may_be_public(host: str) -> bool:
    """An address is checked here: aiohttp resolves names alone."""
    is_address = ":" in host or host.replace(".", "").isdigit()
    return is_public(host) if is_address else True


def _seconds(cache_control: str) -> int:
    """How long a document is kept."""
    if "no-store" in cache_control or "no-cache" in cache_control:
        return MIN_SECONDS
    found = _MAX_AGE.search(cache_control)
    return min(max(int(found[1]), MIN_SECONDS), MAX_SECONDS) if found else DEFAULT_SECONDS


def _name(value: object) -> str:
    return value[:_MAX_NAME] if isinstance(value, str) and value.isprintable() else ""


def _reason(error: Exception) -> str:
    if isinstance(error, (InvalidClientDocumentError, AnswerTooLargeError)):
        return str(error)
    if isinstance(error, InvalidJsonError):
        return "it is not JSON"
    return "its server took too long" if isinstance(error, TimeoutError) else "its server cannot be reached"


def _refuse(reason: str) -> NoReturn:
    raise InvalidClientDocumentError(reason)
