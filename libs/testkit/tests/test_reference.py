from pathlib import Path

import pytest
from fastapi import FastAPI, WebSocket
from pydantic import Field
from pydantic_settings import BaseSettings

from nexus_testkit.problem_types import ProblemType, problem_types
from nexus_testkit.reference import Endpoint, Service, Setting, describe, endpoints_of, settings_of

SOURCE = """
from http import HTTPStatus

def missing(name):
    title = "There is no such thing"
    return Problem(404, "missing", title, f"There is no {name}.")

def refuse():
    raise Problem(409, "taken", "It is taken", "Choose another.")

def _bad(status, slug, detail):
    return Problem(status, slug, HTTPStatus(status).phrase, detail)

def read():
    raise _bad(400, "bad-head", "The head is wrong.")

def unknown(error):
    return Problem(error.status, error.type, error.title, str(error))
"""


class _Settings(BaseSettings):
    port: int = Field(8001, validation_alias="PORT", description="port to listen on")
    url: str = Field(validation_alias="URL", description="address")
    folder: Path | None = Field(None, validation_alias="FOLDER", description="folder")


def test_settings_are_those_of_the_class() -> None:
    assert settings_of(_Settings) == [
        Setting("PORT", "8001", "port to listen on"),
        Setting("URL", "required", "address"),
        Setting("FOLDER", "None", "folder"),
    ]


def test_endpoints_are_the_routes_of_the_application() -> None:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/rows")
    async def list_rows(limit: int = 10) -> None:
        """List rows.

        More about it.
        """

    @app.websocket("/events")
    async def events(socket: WebSocket) -> None:
        """Serve one connection."""

    @app.api_route("/rest/{path:path}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    async def forward() -> None:
        pass

    assert endpoints_of(app) == [
        Endpoint("WebSocket", "/events", "Serve one connection", ()),
        Endpoint("any", "/rest/{path:path}", "Passed on to the service", ()),
        Endpoint("GET", "/rows", "List rows", ("limit",)),
    ]


def test_problem_types_are_those_of_the_calls(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(SOURCE)
    assert problem_types(tmp_path) == [
        ProblemType("bad-head", 400, "Bad Request"),
        ProblemType("missing", 404, "There is no such thing"),
        ProblemType("taken", 409, "It is taken"),
    ]


def test_a_process_without_http_has_settings_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "worker").mkdir()
    (tmp_path / "worker" / "settings.py").write_text(
        "from pydantic import Field\nfrom pydantic_settings import BaseSettings\n\n"
        "class Settings(BaseSettings):\n    port: int = Field(1, validation_alias='PORT', description='port')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert describe("worker") == Service([Setting("PORT", "1", "port")], [], [])
