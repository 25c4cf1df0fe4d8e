"""schemathesis sends what the document allows, and what it does not, to the service."""

import asyncio
from typing import override

import pytest
import schemathesis
from conftest import MakeToken
from stack import Stack, answering

from mcp_server.protocol.errors import INVALID_PARAMS, INVALID_REQUEST
from nexus_testkit.hostile_client import HostileClient, Rule

EXAMPLES = 20

# What JSON Schema cannot say: revisions demand headers and params; 8.0 is an integer to it.
RULES = {
    (INVALID_PARAMS, "params._meta must be an object"),
    (INVALID_REQUEST, "The message is not a JSON object; send one request at a time, not a batch"),
    (INVALID_REQUEST, "The id of a request must be a string or an integer"),
}


class Client(HostileClient):
    """Reads refusals of JSON-RPC."""

    @override
    def is_refused_by_rule(self, response: schemathesis.Response) -> bool:
        if super().is_refused_by_rule(response):
            return True
        error = response.json().get("error") if response.status_code == 400 else None
        return isinstance(error, dict) and any(
            error["code"] == code and error["message"].startswith(text) for code, text in RULES
        )


# And which members go together, where an argument goes, or what a schema may have in it; and again 8.0.
PROBLEMS = (
    Rule(422, "invalid-request", "exactly one of|needs scopes|leave credentials out|valid integer"),
    Rule(422, "tool-refused"),
    Rule(422, "document-refused"),
    Rule(422, "workflow-refused"),
)


@pytest.mark.usefixtures("no_workflows")
async def test_each_operation_is_as_documented(service: str, stack: Stack, make_token: MakeToken) -> None:
    stack.misbehave["/openapi.json"] = answering(200, '{"openapi": "3.1.0", "paths": {}}')
    client = Client(service, {"Authorization": f"Bearer {make_token()}"}, PROBLEMS)
    await asyncio.to_thread(client.try_operations, EXAMPLES)

    assert {"POST /mcp", "GET /v1/tools", "GET /.well-known/oauth-protected-resource"} <= client.operations
