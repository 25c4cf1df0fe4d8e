from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest_asyncio
from authorizing import Browser


@pytest_asyncio.fixture
async def browser(gateway: str, session: dict[str, Any], redis_url: str) -> AsyncIterator[Browser]:
    """A browser at which the administrator is signed in."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        browser = Browser(http, gateway)
        await browser.enter(redis_url, session["session_id"])
        yield browser
