"""schemathesis sends what the document allows, and what it does not, to the service."""

import asyncio
import re

import pytest

from nexus_testkit import Issuer
from nexus_testkit.hostile_client import HostileClient, Rule

EXAMPLES = 6
WALKS = 10

RULES = (
    Rule(400, "invalid-entity-tags"),
    Rule(400, "no-such-relation"),  # `expand` is a text
    Rule(406, "format-unavailable"),  # Parquet, which is an extra
    Rule(412, "version-mismatch"),
    Rule(422, "idempotency-key-reused"),
    Rule(422, "invalid-request", "^/query/"),  # names of fields, filters and places of pages are texts
    Rule(
        422, "invalid-request", "^/body/(after|aggregates|expand|fields|filter|group_by|order|search)"
    ),  # in a query the same
    Rule(422, "invalid-request", "^/body/limit: should be a whole number"),  # 8.0 is one to JSON Schema
    Rule(422, "invalid-request", r"^/body/(operations/\d+/)?parameters"),  # which depend on the node
    Rule(422, "invalid-request", r"^/body/operations/\d+/node: reads rows"),
    Rule(422, "invalid-request", "^/body/id: should be the id in the address"),
    Rule(422, "invalid-request", r"^/body/\d+: should be an object with an id"),  # operation=update, delete
    Rule(422, "invalid-request", r"^/body/\d+: cannot be read as JSON"),  # lines are one text in the document
    Rule(422, "invalid-request", r"contains the character U\+0000"),
    Rule(422, "invalid-request", "a number with more than 100 digits"),
    Rule(422, "invalid-request", "contains -0"),
    Rule(422, "invalid-request", "should be a valid integer"),  # 8.0 is one to JSON Schema
    Rule(422, "invalid-request", "should be greater than"),  # of numbers that are sent as texts
)


@pytest.fixture
def hostile_client(service: str, issuer: Issuer) -> HostileClient:
    """Somebody who may do everything."""
    token = issuer.mint("dataflow-service", {"data:read", "data:write", "data:admin"})
    return HostileClient(service, {"Authorization": f"Bearer {token}"}, RULES)


async def test_each_operation_is_as_documented(hostile_client: HostileClient) -> None:
    await asyncio.to_thread(hostile_client.try_operations, EXAMPLES)

    assert {"POST /v1/product", "POST /v1/product/bulk", "POST /v1/transactions"} <= hostile_client.operations


async def test_operations_in_sequence_are_as_documented(hostile_client: HostileClient) -> None:
    await asyncio.to_thread(hostile_client.follow_links, WALKS)

    read = {label for label in hostile_client.operations if re.fullmatch(r"GET /v1/\w+/\{row_id\}", label)}
    assert {label.replace("GET", "POST").removesuffix("/{row_id}") for label in read} & hostile_client.operations
