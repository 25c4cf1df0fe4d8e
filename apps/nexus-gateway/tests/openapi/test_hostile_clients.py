"""schemathesis sends what the document allows, and what it does not, to the gateway and to a service behind it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import ClassVar, override

import pytest
import pytest_asyncio
import schemathesis
from conftest import PASSWORD, Mint
from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict, Field
from schemathesis.schemas import BaseSchema

from nexus_chassis.app import build_app
from nexus_chassis.health import Health
from nexus_chassis.problems import Problem
from nexus_chassis.routing import Router
from nexus_chassis.runtime import runtime_of
from nexus_chassis.settings import ServiceSettings
from nexus_chassis.tokens import TokenVerifier, require
from nexus_gateway.app import create_app
from nexus_testkit import serving
from nexus_testkit.hostile_client import Case, HostileClient, Rule

EXAMPLES = 2
"""Requests of each kind to each operation: some 200, which take half a minute. With more of them it finds more."""

ENDLESS = "/v1/events"
OF_SESSIONS = ("/v1/sessions", "/v1/me", "/v1/tokens")

RULES = (
    Rule(400, "invalid-request"),  # of OAuth: characters, and which parameters go together
    Rule(400, "invalid-reset-token"),
    Rule(400, "invalid-scope"),
    Rule(400, "invalid-target"),
    Rule(400, "unknown-audience"),
    Rule(400, "unknown-channel"),
    Rule(400, "unknown-role"),
    Rule(400, "unknown-scope"),
    Rule(400, "unknown-tenant"),
    Rule(400, "weak-password"),
    Rule(422, "invalid-client-description"),
)
SCOPES = ("admin", "data:read", "data:write", "events:publish")
WALKS = 10

notes = Router()


class Note(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    text: str = Field(min_length=1, max_length=20, pattern="^[a-z]+$")


class KeptNote(Note):
    id: int


NOTES: dict[int, KeptNote] = {}


@notes.post("/v1/notes", status_code=201, dependencies=[Depends(require("data:write"))])
async def create_note(note: Note) -> KeptNote:
    kept = NOTES[len(NOTES)] = KeptNote(id=len(NOTES), text=note.text)
    return kept


@notes.get("/v1/notes/{note_id}", dependencies=[Depends(require("data:read"))])
async def read_note(note_id: int) -> KeptNote:
    if note_id not in NOTES:
        raise Problem(404, "unknown-note", "There is no such note", "Create it first.")
    return NOTES[note_id]


class NoteSettings(ServiceSettings):
    service_name: ClassVar[str] = "dataflow-service"


@asynccontextmanager
async def nothing(_app: FastAPI) -> AsyncIterator[None]:
    yield


def service() -> FastAPI:
    """A service with a document of its own."""
    return build_app(
        NoteSettings(), version="1", lifespan=nothing, health=Health("dataflow-service", "1"), routers=[notes]
    )


@pytest_asyncio.fixture
async def gateway(environment: pytest.MonkeyPatch) -> AsyncIterator[str]:
    unlimited = ("address", "principal", "anonymous", "sign-in", "token")
    environment.setenv("NEXUS_RATE_LIMITS", " ".join(f"{name}=9999999/1" for name in unlimited))
    app = service()
    async with serving(app) as service_url:
        environment.setenv("NEXUS_DATAFLOW_URL", service_url)
        async with serving(create_app()) as url:
            keys = f"{url}/.well-known/jwks.json"
            runtime_of(app).verifier = TokenVerifier("http://localhost:8000", "dataflow-service", keys)
            yield url


class Client(HostileClient):
    """Somebody who may do everything; what is about sessions, in a session of its own."""

    @override
    def document(self) -> BaseSchema:
        return super().document().exclude(path=ENDLESS)

    @override
    def headers_of(self, case: Case) -> Mapping[str, str]:
        if not case.path.startswith(OF_SESSIONS):
            return super().headers_of(case)
        body = {"username": "admin", "password": PASSWORD}
        with self.http.post(f"{self.url}/v1/sessions", json=body, timeout=10) as response:
            return {"Authorization": f"Bearer {response.json()['access_token']}"}

    @override
    def send(self, case: Case) -> schemathesis.Response:
        if case.query and "wait" in case.query:
            case.query["wait"] = 0
        return super().send(case)


async def test_each_operation_is_as_documented(gateway: str, mint: Mint) -> None:
    client = Client(gateway, mint(*SCOPES), RULES)
    await asyncio.to_thread(client.try_operations, EXAMPLES)

    assert len(client.operations) > 40
    assert {"POST /v1/data/notes", "GET /v1/data/notes/{note_id}", "POST /oauth/token"} <= client.operations


async def test_operations_in_sequence_are_as_documented(gateway: str, mint: Mint) -> None:
    client = Client(gateway, mint(*SCOPES), RULES)
    await asyncio.to_thread(client.follow_links, WALKS)

    assert {"POST /v1/users", "GET /v1/users/{user_id}"} <= client.operations
