"""The OpenAPI document says what operations need, and what they answer to what fails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from fastapi import FastAPI

from nexus_chassis.app import build_app
from nexus_chassis.health import Health
from nexus_chassis.routing import Router
from nexus_chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    service_name: ClassVar[str] = "notes"


@asynccontextmanager
async def nothing(_app: FastAPI) -> AsyncIterator[None]:
    yield


def application() -> FastAPI:
    router = Router()

    @router.get("/v1/notes")
    async def list_notes(limit: int = 1) -> list[int]:
        return [limit]

    return build_app(Settings(), version="1", lifespan=nothing, health=Health("notes", "1"), routers=[router])


def test_operations_need_a_token_unless_they_say_otherwise() -> None:
    document = application().openapi()
    security = {path: item["get"].get("security") for path, item in document["paths"].items()}

    assert document["security"] == [{"bearer": []}]
    assert security == {"/livez": [], "/readyz": [], "/health": [{}, {"bearer": []}], "/v1/notes": None}


def test_what_fails_is_answered_with_a_problem() -> None:
    document = application().openapi()
    notes = document["paths"]["/v1/notes"]["get"]["responses"]

    assert list(notes) == ["200", "default"]
    assert notes["default"]["content"] == {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
    }
    assert list(document["components"]["schemas"]) == ["Problem"]
