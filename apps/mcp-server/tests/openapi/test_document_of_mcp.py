"""GET /openapi.json describes the messages."""

from typing import Any

import pytest
from fastapi import FastAPI


@pytest.fixture
def paths(app: FastAPI) -> dict[str, Any]:
    """The operations of the document."""
    found: dict[str, Any] = app.openapi()["paths"]
    return found


def test_the_metadata_needs_no_token(paths: dict[str, Any]) -> None:
    well_known = {path: item["get"]["security"] for path, item in paths.items() if path.startswith("/.well-known")}

    assert well_known == {
        "/.well-known/oauth-protected-resource": [],
        "/.well-known/oauth-protected-resource/mcp": [],
    }


def test_a_message_has_a_body_and_errors_of_two_kinds(paths: dict[str, Any]) -> None:
    exchange = paths["/mcp"]["post"]
    (body,) = exchange["requestBody"]["content"].values()

    assert [kind["title"] for kind in body["schema"]["anyOf"]] == ["Message", "Batch"]
    assert list(exchange["responses"]) == ["200", "202", "default"]
    assert list(exchange["responses"]["default"]["content"]) == ["application/json", "application/problem+json"]
