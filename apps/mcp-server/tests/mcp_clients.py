"""MCP clients: both transports and both eras behind one interface."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import aiohttp
import pytest
from pydantic_core import to_json

SERVER_INFO = {"name": "nexus-mcp-server", "title": "Nexus", "version": "0.3.0"}
INSTRUCTIONS = (
    "Tools over this company's product data. classify_products returns UNSPSC or ETIM codes with confidence; "
    "search_codes and get_code read the taxonomies; list_products and get_product read the stored products, list_models, "
    "query_rows and get_row all stored data, and create_row, update_row and delete_row change it; list_workflows and get_workflow "
    "show the workflows that run_workflow runs."
)
METHODS = "tools/list, tools/call, resources/list, resources/templates/list, resources/read, prompts/list, prompts/get, completion/complete"
HANDSHAKE_METHODS = f"initialize, ping, {METHODS}, logging/setLevel, resources/subscribe, resources/unsubscribe"
MODERN_METHODS = f"server/discover, {METHODS}, subscriptions/listen, tasks/get, tasks/update, tasks/cancel"
CAPABILITIES = {
    "tools": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": True},
    "prompts": {"listChanged": True},
    "completions": {},
    "logging": {},
}
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

NO_TOKEN = "The gateway issued no token for this call: {}. Try again; if that does not help, log in again."


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
    names = [params[key] for key in ("name", "uri", "taskId") if key in params]
    return {**headers, "Mcp-Name": names[0]} if names else headers


async def _read_whole(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    response = await send(request)
    if response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        await response.read()
    return response


def http_client(url: str, headers: Mapping[str, str] | None = None) -> aiohttp.ClientSession:
    """An HTTP client that reads each answer, so that no connection is left open."""
    return aiohttp.ClientSession(url, headers=headers, middlewares=[_read_whole])


def error_response(code: int, text: str, message_id: object = 1, **data: object) -> dict[str, Any]:
    """The response to a request that failed, or with `message_id` None to a message without a readable id."""
    known = {} if message_id is None else {"id": message_id}
    return {"jsonrpc": "2.0", **known, "error": {"code": code, "message": text, **data}}


async def post(client: aiohttp.ClientSession, body: object, **headers: str) -> tuple[int, Any]:
    """Status and JSON that a body is answered with over HTTP."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = await client.post("/mcp", data=text, headers={"Content-Type": "application/json", **headers})
    return response.status, await response.json()


class HandshakeHttp:
    """Revision 2025-11-25 over HTTP: with a session once it is open, without one before."""

    result_extras: Mapping[str, Any] = {}

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._client = client
        self.session: dict[str, str] = {}

    async def open(self, capabilities: Mapping[str, Any] | None = None) -> None:
        """Begin as a client of this era does."""
        params = {**INITIALIZE, "capabilities": dict(capabilities or {})}
        response = await self._client.post("/mcp", json=message("initialize", params))
        assert response.status == 200
        self.session = {"Mcp-Session-Id": response.headers["Mcp-Session-Id"]}
        response = await self._client.post(
            "/mcp", json=message("notifications/initialized", message_id=None), headers=self._headers()
        )
        assert (response.status, await response.read()) == (202, b"")

    def _headers(self) -> dict[str, str]:
        return {"MCP-Protocol-Version": "2025-11-25", **self.session}

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and return the response."""
        response = await self._client.post("/mcp", json=message(method, params), headers=self._headers())
        assert response.content_type == "application/json"
        return dict(await response.json())


class ModernHttp:
    """Revision 2026-07-28 over HTTP."""

    result_extras: Mapping[str, Any] = {
        "resultType": "complete",
        "_meta": {"io.modelcontextprotocol/serverInfo": SERVER_INFO},
    }

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._client = client

    async def open(self) -> None:
        """There is nothing to begin."""

    async def request(
        self, method: str, params: Mapping[str, Any] | None = None, meta: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Send a request, with more members of `_meta`, and return the response."""
        full = {**(params or {}), "_meta": {**MODERN_META, **(meta or {})}}
        response = await self._client.post("/mcp", json=message(method, full), headers=modern_headers(method, full))
        return dict(await response.json())


class HandshakeWebSocket:
    """Revision 2025-11-25 over WebSocket."""

    result_extras: Mapping[str, Any] = {}

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._client = client

    async def open(self) -> None:
        """Connect, and begin as a client of this era does."""
        self.socket = await self._client.ws_connect("/mcp", protocols=["mcp"], max_msg_size=0)
        assert self.socket.protocol == "mcp"
        assert "result" in await self.request("initialize", INITIALIZE)
        await self.socket.send_json(message("notifications/initialized", message_id=None))

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and return the response."""
        await self.socket.send_json(message(method, params))
        return dict(await self.socket.receive_json(timeout=60))


class ModernWebSocket:
    """Revision 2026-07-28 over WebSocket."""

    result_extras = ModernHttp.result_extras

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._client = client

    async def open(self) -> None:
        """Connect."""
        self.socket = await self._client.ws_connect("/mcp", protocols=["mcp"], max_msg_size=0)

    async def request(
        self, method: str, params: Mapping[str, Any] | None = None, meta: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Send a request, with more members of `_meta`, and return the response."""
        await self.socket.send_json(message(method, {**(params or {}), "_meta": {**MODERN_META, **(meta or {})}}))
        return dict(await self.socket.receive_json(timeout=60))


type McpClient = HandshakeHttp | ModernHttp | HandshakeWebSocket | ModernWebSocket
CLIENTS = (HandshakeHttp, ModernHttp, HandshakeWebSocket, ModernWebSocket)


def success_of(mcp: McpClient, content: object) -> dict[str, Any]:
    """The response to a tool call that succeeded."""
    result = {
        **mcp.result_extras,
        "content": [{"type": "text", "text": to_json(content).decode()}],
        "structuredContent": content,
        "isError": False,
    }
    return {"jsonrpc": "2.0", "id": 1, "result": result}


def failure_of(mcp: McpClient, text: str) -> dict[str, Any]:
    """The response to a tool call that failed, with the text for the agent."""
    result = {**mcp.result_extras, "content": [{"type": "text", "text": text}], "isError": True}
    return {"jsonrpc": "2.0", "id": 1, "result": result}


async def call_tool(mcp: McpClient, name: str, **arguments: object) -> dict[str, Any]:
    """The response to a call of a tool."""
    return await mcp.request("tools/call", {"name": name, "arguments": arguments})


async def text_of_failure(client: aiohttp.ClientSession) -> str:
    """What an agent that calls classify_products can read; it must be a failure."""
    arguments = {"name": "classify_products", "arguments": {"products": [{"text": "x"}]}}
    result = (await HandshakeHttp(client).request("tools/call", arguments))["result"]
    assert result["isError"]
    return str(result["content"][0]["text"])


async def refusals_of(service: str, headers: dict[str, str]) -> list[tuple[int, str | None, str]]:
    """Status, challenge and problem type with which HTTP and then WebSocket refuse."""
    refusals = []
    async with http_client(service, headers=headers) as client:
        response = await client.post("/mcp", json=message("initialize", INITIALIZE))
        body = await response.json(content_type="application/problem+json")
        refusals.append((response.status, response.headers.get("WWW-Authenticate"), body["type"]))
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await client.ws_connect("/mcp", protocols=["mcp"])
        assert caught.value.headers is not None
        refusals.append((caught.value.status, caught.value.headers.get("WWW-Authenticate"), body["type"]))
    return refusals
