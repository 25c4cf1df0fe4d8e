"""Workflows of mcp-server on the running stack, over HTTP."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from harness.stack import Stack

ENDED = ("finished", "failed", "cancelled")
SCOPES = ["tools:call", "workflows:deploy", "data:read", "data:write", "classify"]
_POLL_SECONDS = 0.2

Json = dict[str, Any]


@contextmanager
def mcp_client(stack: Stack, gateway: httpx.Client) -> Iterator[httpx.Client]:
    """Give a client of mcp-server with a token of whoever is logged in at the gateway, for deploying and running."""
    answer = gateway.post("/v1/tokens", json={"audience": "mcp-server", "scopes": SCOPES})
    assert answer.is_success, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    address = f"http://localhost:{stack.mcp_port}"
    with httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False) as client:
        yield client


def deploy(client: httpx.Client, name: str, version: Json, dry_run: Json) -> None:
    """Take a version through all steps, and let the alias `live` name it."""
    number = _answered(client.post(f"/v1/workflows/{name}/versions", json=version))["version"]
    chosen = {"version": number}
    assert _answered(client.post(f"/v1/workflows/{name}/validate", json=chosen))["faults"] == []
    assert _answered(client.post(f"/v1/workflows/{name}/dry-run", json=chosen | dry_run))["state"] == "finished"
    _answered(client.post(f"/v1/workflows/{name}/versions/{number}/publish"))
    _answered(client.put(f"/v1/workflows/{name}/aliases/live", json=chosen))


def start(client: httpx.Client, name: str, arguments: Json) -> Json:
    """Start a run of what `live` names."""
    return _answered(client.post(f"/v1/workflows/{name}/runs", json={"alias": "live", "arguments": arguments}))


def ended(client: httpx.Client, run: Json, deadline: float) -> Json:
    """Return a run once it has ended, or as it is at `deadline` of the monotonic clock; its server may be away."""
    path = f"/v1/workflows/{run['name']}/runs/{run['run_id']}"
    while True:
        found = _found(client, path) or run
        if found["state"] in ENDED or time.monotonic() > deadline:
            return found
        time.sleep(_POLL_SECONDS)


def _found(client: httpx.Client, path: str) -> Json | None:
    try:
        answer = client.get(path)
    except httpx.TransportError:
        return None
    return answer.json() if answer.is_success else None


def _answered(answer: httpx.Response) -> Json:
    assert answer.is_success, answer.text
    body: Json = answer.json()
    return body
