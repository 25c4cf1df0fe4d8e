"""Both ways of talking to the server, and both eras, behind one call."""

from collections.abc import Mapping
from typing import Any

import aiohttp

MODERN_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
}
INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "tests", "version": "1"},
}


def message(method: str, params: Mapping[str, Any] | None = None, message_id: int | str | None = 1) -> dict[str, Any]:
    """A request, or with `message_id` None a notification."""
    body: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
    if message_id is not None:
        body["id"] = message_id
    if params is not None:
        body["params"] = dict(params)
    return body


def modern_headers(method: str, params: Mapping[str, Any]) -> dict[str, str]:
    """What a client of 2026-07-28 sends along on HTTP."""
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method}
    return {**headers, "Mcp-Name": params["name"]} if method == "tools/call" else headers


class HandshakeHttp:
    """Revision 2025-11-25 over HTTP."""

    result_extras: Mapping[str, Any] = {}

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._client = client

    async def open(self) -> None:
        """Begin as a client of this era does."""
        response = await self._client.post("/mcp", json=message("initialize", INITIALIZE))
        assert response.status == 200
        response = await self._client.post(
            "/mcp", json=message("notifications/initialized", message_id=None), headers=self._headers()
        )
        assert (response.status, await response.read()) == (202, b"")

    def _headers(self) -> dict[str, str]:
        return {"MCP-Protocol-Version": "2025-11-25"}

    async def ask(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and give the answer."""
        response = await self._client.post("/mcp", json=message(method, params), headers=self._headers())
        assert response.content_type == "application/json"
        return dict(await response.json())


class ModernHttp:
    """Revision 2026-07-28 over HTTP."""

    result_extras: Mapping[str, Any] = {
        "resultType": "complete",
        "_meta": {
            "io.modelcontextprotocol/serverInfo": {"name": "nexus-mcp-server", "title": "Nexus", "version": "0.2.0"}
        },
    }

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._client = client

    async def open(self) -> None:
        """There is nothing to begin."""

    async def ask(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and give the answer."""
        full = {**(params or {}), "_meta": MODERN_META}
        response = await self._client.post("/mcp", json=message(method, full), headers=modern_headers(method, full))
        return dict(await response.json())


class HandshakeWebSocket:
    """Revision 2025-11-25 over WebSocket."""

    result_extras: Mapping[str, Any] = {}

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._client = client

    async def open(self) -> None:
        """Connect, and begin as a client of this era does."""
        self.socket = await self._client.ws_connect("/mcp", protocols=["mcp"])
        assert self.socket.protocol == "mcp"
        assert "result" in await self.ask("initialize", INITIALIZE)
        await self.socket.send_json(message("notifications/initialized", message_id=None))

    async def ask(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and give the answer."""
        await self.socket.send_json(message(method, params))
        return dict(await self.socket.receive_json())


class ModernWebSocket:
    """Revision 2026-07-28 over WebSocket."""

    result_extras = ModernHttp.result_extras

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._client = client

    async def open(self) -> None:
        """Connect."""
        self.socket = await self._client.ws_connect("/mcp", protocols=["mcp"])

    async def ask(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and give the answer."""
        await self.socket.send_json(message(method, {**(params or {}), "_meta": MODERN_META}))
        return dict(await self.socket.receive_json())


type Talk = HandshakeHttp | ModernHttp | HandshakeWebSocket | ModernWebSocket
WAYS = (HandshakeHttp, ModernHttp, HandshakeWebSocket, ModernWebSocket)
