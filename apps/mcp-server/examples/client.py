"""A small client of /v1/workflows; it needs nothing but Python."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from typing import Any

SERVER = os.environ.get("NEXUS_MCP_URL", "http://localhost:3000")


def request(method: str, path: str, body: object = None) -> Any:  # noqa: ANN401  any JSON value
    """Return the JSON of an answer; ends the program with the reason where the server refuses."""
    headers = {"Authorization": f"Bearer {os.environ['NEXUS_TOKEN']}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    sent = urllib.request.Request(f"{SERVER}/v1/workflows/{path}", data, headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(sent, timeout=120) as answer:  # noqa: S310 - SERVER is the operator's
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {path}: {json.load(error).get('detail', error)}")


def run(name: str, alias: str, arguments: dict[str, Any]) -> Any:  # noqa: ANN401  any JSON value
    """Start a run, wait for its end, and return its result; ends the program with the reason where it fails."""
    started = request("POST", f"{name}/runs", {"alias": alias, "arguments": arguments})
    while True:
        found = request("GET", f"{name}/runs/{started['run_id']}")
        if found["state"] == "finished":
            return found["result"]
        if found["state"] in {"failed", "cancelled"}:
            sys.exit(f"the run {found['run_id']} is {found['state']} ({found['reason']}): {found['detail']}")
        time.sleep(0.5)
