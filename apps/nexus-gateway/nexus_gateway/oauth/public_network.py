"""Connections to addresses that strangers name: never to the own network (CWE-918, server-side request forgery)."""

import ssl
from typing import override

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from nexus_chassis.addresses import is_public

_SECONDS = aiohttp.ClientTimeout(total=5, connect=3)


class PrivateAddressError(OSError):
    """A name or an address that does not lead to the public internet."""


class PublicResolver(AbstractResolver):
    """Resolves names to public addresses alone. The connection is made to what was checked, so no second answer counts."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    @override
    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)  # type: ignore[arg-type]  # its stub knows one family
        if not found or not all(is_public(result["host"]) for result in found):
            raise PrivateAddressError(f"{host} is not an address of the public internet")
        return found

    @override
    async def close(self) -> None:
        await self._resolver.close()


def create_session(*, allow_private: bool) -> aiohttp.ClientSession:
    """A session for single requests to strangers: no cookies, no kept connections, a few seconds in all."""
    connector = aiohttp.TCPConnector(
        resolver=None if allow_private else PublicResolver(),
        ssl=ssl.create_default_context(),
        force_close=True,
        limit=8,
        use_dns_cache=False,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=_SECONDS,
        auto_decompress=False,  # a few bytes could become many
        headers={"Accept-Encoding": "identity"},
    )
