"""What a service declares: its settings, endpoints and problem types, for the reference pages that `make docs` writes.

`python -m nexus_testkit.reference PACKAGE...` prints them as one line of JSON. A package without the module `app` is that of
a process without HTTP: it has settings alone.
"""

import importlib
import inspect
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

from fastapi import FastAPI
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute
from pydantic_settings import BaseSettings
from starlette.routing import BaseRoute, Route, WebSocketRoute

from nexus_testkit.problem_types import ProblemType, problem_types

_ANY_METHOD = 6  # a route for so many methods passes everything on


@dataclass(frozen=True)
class Setting:
    """One environment variable; `default` is "required" if there is none, "None" if the setting may be left out."""

    name: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Endpoint:
    """One route; `method` is "any" for those that pass requests on, "WebSocket" for connections."""

    method: str
    path: str
    summary: str
    query: tuple[str, ...]


@dataclass(frozen=True)
class Service:
    """What a service declares."""

    settings: list[Setting]
    endpoints: list[Endpoint]
    problems: list[ProblemType]


def settings_of(settings: type[BaseSettings]) -> list[Setting]:
    """Return the environment variables of a settings class, in its order."""
    return [
        Setting(
            str(field.validation_alias),
            "required" if field.is_required() else str(field.default),
            str(field.description),
        )
        for field in settings.model_fields.values()
    ]


def endpoints_of(app: FastAPI) -> list[Endpoint]:
    """Return the routes of an application, sorted by path."""
    found = [endpoint for route in app.routes for endpoint in _endpoints(route)]
    return sorted(found, key=lambda endpoint: (endpoint.path, endpoint.method))


def _endpoints(route: BaseRoute) -> Iterator[Endpoint]:
    if isinstance(route, WebSocketRoute):
        yield Endpoint("WebSocket", route.path, _summary(route.endpoint), ())
    elif isinstance(route, APIRoute):
        methods = sorted(route.methods or ())
        summary = route.summary or _summary(route.endpoint)
        for method in ["any"] if len(methods) >= _ANY_METHOD else methods:
            yield Endpoint(method, route.path, summary, tuple(_query(route)))
    elif isinstance(route, Route):
        yield Endpoint("GET", route.path, "This list for programs (OpenAPI)", ())


def _summary(endpoint: object) -> str:
    text = inspect.getdoc(endpoint) or "Passed on to the service"
    return text.partition("\n")[0].rstrip(".")


def _query(route: APIRoute) -> Iterator[str]:
    for field in get_flat_params(route.dependant):
        if isinstance(field.field_info, Query):
            yield field.alias


def describe(package: str) -> Service:
    """Return what the service with this package declares; its application is made, but not started."""
    settings: type[BaseSettings] = importlib.import_module(f"{package}.settings").Settings
    if find_spec(f"{package}.app") is None:
        return Service(settings_of(settings), [], [])
    application = importlib.import_module(f"{package}.app")
    with tempfile.NamedTemporaryFile("w") as secret, patch.dict(os.environ, _secret_files(settings, secret.name)):
        secret.write("a-secret")
        secret.flush()
        app: FastAPI = application.create_app()
    return Service(settings_of(settings), endpoints_of(app), problem_types(_folder(application)))


def _secret_files(settings: type[BaseSettings], path: str) -> dict[str, str]:
    return {
        str(field.validation_alias): path for field in settings.model_fields.values() if isinstance(field.default, Path)
    }


def _folder(module: ModuleType) -> Path:
    return Path(str(module.__file__)).parent


def main(packages: Sequence[str]) -> None:
    """Print what the services with these packages declare, and the problem types that all of them have."""
    chassis = _folder(importlib.import_module("nexus_chassis"))
    found = {
        "services": {package: asdict(describe(package)) for package in packages},
        "problems": [asdict(problem) for problem in problem_types(chassis)],
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
