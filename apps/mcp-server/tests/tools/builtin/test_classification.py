import json

from mcp_clients import McpClient, call_tool, success_of
from stack import Stack, answering, classified

SUBJECT_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"


def _without_nulls(item: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in item.items() if value is not None}


async def test_products_are_classified_for_the_caller_with_an_exchanged_token(
    mcp: McpClient, stack: Stack, token: str
) -> None:
    products = [
        {"text": "Hex nut M8"},
        {"id": "a", "text": "Wing nut", "attributes": {"thread": "M6"}, "language": "en"},
    ]
    expected = {
        "taxonomy": "etim",
        "version": "starter",
        "items": [_without_nulls(classified(index, item)) for index, item in enumerate(products)],
    }
    for _ in range(2):
        answer = await call_tool(mcp, "classify_products", products=products, taxonomy="etim", top_k=3)
        assert answer == success_of(mcp, expected)
    assert [request["body"] for request in stack.requests["/v1/classify"]] == [
        {"items": products, "taxonomy": "etim", "top_k": 3}
    ] * 2
    assert {request["subject"] for request in stack.requests["/v1/classify"]} == {"alice"}
    assert [request["form"] for request in stack.requests["/oauth/token"]] == [
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": token,
            "subject_token_type": SUBJECT_TOKEN_TYPE,
            "audience": "classification-service",
            "scope": "classify",
        }
    ]


async def test_classification_takes_unspsc_and_five_candidates_unless_told(mcp: McpClient, stack: Stack) -> None:
    await call_tool(mcp, "classify_products", products=[{"text": "x"}])
    assert stack.requests["/v1/classify"][0]["body"] == {"items": [{"text": "x"}], "taxonomy": "unspsc", "top_k": 5}


async def test_what_has_no_code_has_no_member_for_it(mcp: McpClient, stack: Stack) -> None:
    unsure = {"index": 0, "id": None, "code": None, "title": None, "level": None, "confidence": None, "candidates": []}
    answer = {"taxonomy": "unspsc", "version": "starter", "items": [unsure]}
    stack.misbehave["/v1/classify"] = answering(200, json.dumps(answer))
    content = {"taxonomy": "unspsc", "version": "starter", "items": [{"index": 0, "candidates": []}]}
    assert await call_tool(mcp, "classify_products", products=[{"text": "x"}]) == success_of(mcp, content)


async def test_a_product_that_cannot_be_classified_does_not_spoil_the_others(mcp: McpClient, stack: Stack) -> None:
    error = {"type": "urn:nexus:problem:invalid-item", "title": "The item is not valid", "detail": "It has no letter."}
    items = [{"index": 0, "candidates": [], "error": error}, _without_nulls(classified(1, {"text": "x"}))]
    answer = {"taxonomy": "unspsc", "version": "starter", "items": items}
    stack.misbehave["/v1/classify"] = answering(200, json.dumps(answer))
    products = [{"text": "..."}, {"text": "x"}]
    assert await call_tool(mcp, "classify_products", products=products) == success_of(mcp, answer)
