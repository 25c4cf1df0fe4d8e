"""What the audit log says of clients, consents and tokens."""

import asyncio
from typing import Any

import aiohttp
from authorizing import Browser, tokens_of
from conftest import CLIENT_SECRET
from oauth_requests import ACCESS_TOKEN, EXCHANGE, add_client, basic, claims, post


async def entries(
    http: aiohttp.ClientSession, gateway: str, admin: dict[str, str], action: str
) -> list[dict[str, Any]]:
    """The rows of an action; they are written within a second."""
    await asyncio.sleep(1.2)
    async with http.get(f"{gateway}/v1/audit?action={action}", headers=admin) as response:
        return list((await response.json())["items"])


def said(entry: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(entry[name] for name in names)


async def test_clients_are_added_and_removed(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], session: dict[str, Any]
) -> None:
    await add_client(http, gateway, admin, id="importer")
    async with http.delete(f"{gateway}/v1/clients/importer", headers=admin):
        pass

    user = claims(session["access_token"])["sub"]
    for action in ("client.create", "client.delete"):
        (entry,) = await entries(http, gateway, admin, action)
        assert said(entry, "subject", "target", "outcome", "address") == (user, "importer", "success", "127.0.0.1")


async def test_a_consent_and_the_tokens_that_follow(
    browser: Browser, http: aiohttp.ClientSession, admin: dict[str, str], session: dict[str, Any]
) -> None:
    await tokens_of(browser, http)

    user, scope = claims(session["access_token"])["sub"], {"scope": "data:read tools:call"}
    for action in ("consent.grant", "token.issue"):
        (entry,) = await entries(http, browser.url, admin, action)
        assert said(entry, "subject", "client_id", "target", "detail") == (user, "mcp-client", "mcp-server", scope)


async def test_an_exchange_names_who_acts(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], session: dict[str, Any]
) -> None:
    _, body = await post(http, f"{gateway}/v1/tokens", headers=admin, json={"audience": "mcp-server"})
    form = {
        "grant_type": EXCHANGE,
        "subject_token": body["access_token"],
        "subject_token_type": ACCESS_TOKEN,
        "audience": "dataflow-service",
    }
    await post(http, f"{gateway}/oauth/token", headers=basic("mcp-server", CLIENT_SECRET), data=form)

    (entry,) = await entries(http, gateway, admin, "token.exchange")
    user = claims(session["access_token"])["sub"]
    assert said(entry, "subject", "actors", "target") == (user, ["mcp-server"], "dataflow-service")


async def test_a_refusal(gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> None:
    await post(http, f"{gateway}/oauth/token", headers=basic("mcp-server", "guess"), data={"grant_type": "x"})

    (entry,) = await entries(http, gateway, admin, "token.issue")
    assert said(entry, "outcome", "detail") == ("refused", {"error": "invalid_client"})
