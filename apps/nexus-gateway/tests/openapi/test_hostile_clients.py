"""schemathesis sends what the document allows, and what it does not, to the gateway and to a service behind it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar, override

import pytest
import pytest_asyncio
import requests
import schemathesis
from conftest import PASSWORD, Mint
from fastapi import Depends, FastAPI
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from pydantic import BaseModel, ConfigDict, Field
from schemathesis.checks import CHECKS
from schemathesis.generation.stateful import run_state_machine_as_test
from schemathesis.schemas import APIOperation, BaseSchema

from nexus_chassis.app import build_app
from nexus_chassis.health import Health
from nexus_chassis.problems import Problem
from nexus_chassis.routing import Router
from nexus_chassis.runtime import runtime_of
from nexus_chassis.settings import ServiceSettings
from nexus_chassis.tokens import TokenVerifier, require
from nexus_gateway.app import create_app
from nexus_testkit import serving

EXAMPLES = 2
"""Requests of each kind to each operation: some 200, which take half a minute. With more of them it finds more."""

SEED = 20_261_126
SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=8,
    phases=[Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
ENDLESS = "/v1/events"
OF_SESSIONS = ("/v1/sessions", "/v1/me", "/v1/tokens")

# What JSON Schema cannot say: a request that it allows may be refused as one of these.
RULES = {
    (400, "invalid-request"),  # of OAuth: characters, and which parameters go together
    (400, "invalid-reset-token"),
    (400, "invalid-scope"),
    (400, "invalid-target"),
    (400, "unknown-audience"),
    (400, "unknown-channel"),
    (400, "unknown-role"),
    (400, "unknown-scope"),
    (400, "unknown-tenant"),
    (400, "weak-password"),
    (422, "invalid-client-description"),
}
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


class HostileClient:
    """Sends cases as somebody who may do everything; those about sessions, each in a session of its own."""

    def __init__(self, gateway: str, headers: dict[str, str]) -> None:
        self._gateway, self._headers = gateway, headers
        self._http = requests.Session()
        self.operations: set[str] = set()

    def document(self) -> BaseSchema:
        schema = schemathesis.openapi.from_url(f"{self._gateway}/openapi.json")
        schema.config.update(base_url=self._gateway)
        return schema.exclude(path=ENDLESS)

    def send(self, case: schemathesis.Case) -> schemathesis.Response:
        if case.query and "wait" in case.query:
            case.query["wait"] = 0
        self.operations.add(case.operation.label)
        return case.call(headers=self._headers_of(case.path), timeout=10, session=self._http)

    def _headers_of(self, path: str) -> dict[str, str]:
        if not path.startswith(OF_SESSIONS):
            return self._headers
        body = {"username": "admin", "password": PASSWORD}
        with self._http.post(f"{self._gateway}/v1/sessions", json=body, timeout=10) as response:
            return {"Authorization": f"Bearer {response.json()['access_token']}"}

    def try_operations(self) -> None:
        for result in self.document().get_all_operations():
            for mode in schemathesis.GenerationMode:
                with suppress(Unsatisfiable):  # nothing can be wrong where there is no parameter
                    self._try_operation(result.ok(), mode)

    def _try_operation(self, operation: APIOperation, mode: schemathesis.GenerationMode) -> None:
        @seed(SEED)
        @SETTINGS
        @given(case=operation.as_strategy(mode))
        def send(case: schemathesis.Case) -> None:
            check(case, self.send(case))

        send()

    def follow_links(self) -> None:
        client = self

        class Walk(self.document().as_state_machine()):
            @override
            def call(self, case: schemathesis.Case, **kwargs: Any) -> schemathesis.Response:
                return client.send(case)

            @override
            def validate_response(
                self, response: schemathesis.Response, case: schemathesis.Case, **kwargs: Any
            ) -> None:
                check(case, response)

        run_state_machine_as_test(seed(SEED)(Walk), settings=settings(SETTINGS, max_examples=WALKS))


def check(case: schemathesis.Case, response: schemathesis.Response) -> None:
    """All checks of schemathesis, but that a request must be accepted which the document allows and a rule refuses."""
    excluded = [CHECKS.get_one("positive_data_acceptance")] if is_refused_by_rule(response) else []
    case.validate_response(response, excluded_checks=excluded)


def is_refused_by_rule(response: schemathesis.Response) -> bool:
    if response.status_code not in {400, 422}:
        return False
    return (response.status_code, response.json()["type"].rpartition(":")[2]) in RULES


async def test_each_operation_is_as_documented(gateway: str, mint: Mint) -> None:
    client = HostileClient(gateway, mint(*SCOPES))
    await asyncio.to_thread(client.try_operations)

    assert len(client.operations) > 40
    assert {"POST /v1/data/notes", "GET /v1/data/notes/{note_id}", "POST /oauth/token"} <= client.operations


async def test_operations_in_sequence_are_as_documented(gateway: str, mint: Mint) -> None:
    client = HostileClient(gateway, mint(*SCOPES))
    await asyncio.to_thread(client.follow_links)

    assert {"POST /v1/users", "GET /v1/users/{user_id}"} <= client.operations
