"""The endpoints that each app's README lists are those that the app has."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from documents import APP_READMES, spans, tables

from nexusctl.workspace import ROOT, Service, load

CHASSIS = ROOT / "libs" / "chassis" / "src" / "nexus_chassis"
DECORATOR = re.compile(r'^@router\.(\w+)\(\s*(f?"[^"]*"|\w+)', re.MULTILINE)
ADDED = re.compile(r'router\.add_api_route\("([^"]+)"')
CONSTANT = re.compile(r'^([A-Z_]+) = "(/[^"]*)"$', re.MULTILINE)
PREFIX = re.compile(r'APIRouter\([^)]*?prefix="([^"]+)"')
PROXIED = re.compile(r'Route\(\s*"(/v1/[^"]+)"')
DOCUMENTED = re.compile(r"^(?:([A-Z]+) )?(/[^\s?]*)")
OF_EVERY_SERVICE = {"GET /openapi.json"}


def endpoints_of(app: Service) -> set[str]:
    """Return `METHOD path` of each route, as text: the images' Python knows syntax that this machine's may not."""
    (application,) = app.folder.glob("*/app.py")
    sources = [path.read_text() for path in application.parent.rglob("*.py")]
    constants = dict(found for source in sources for found in CONSTANT.findall(source))
    found = {endpoint for source in sources for endpoint in decorated(source, constants)}
    found |= {f"* {prefix}/**" for source in sources for prefix in PROXIED.findall(source)}
    return found | health() | OF_EVERY_SERVICE


def decorated(source: str, constants: dict[str, str]) -> Iterator[str]:
    prefix = match[1] if (match := PREFIX.search(source)) else ""
    for method, path in DECORATOR.findall(source):
        verb = "GET" if method == "websocket" else method.upper()
        yield f"{verb} {shape(prefix + literal(path, constants))}"


def literal(path: str, constants: dict[str, str]) -> str:
    """Return the value of a route's path: a string, a constant, or an f-string of one."""
    if path.isidentifier():
        return constants[path]
    text = path.removeprefix("f").strip('"')
    return re.sub(r"\{([A-Z_]+)\}", lambda match: constants[match[1]], text)


def shape(path: str) -> str:
    """Return a path without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def health() -> set[str]:
    return {f"GET {path}" for path in ADDED.findall((CHASSIS / "health.py").read_text())}


def documented_in(readme: Path) -> list[str]:
    """Return `METHOD path` of each row; a path without method has that of the path before it, or `*`."""
    found: list[str] = []
    for table in tables(readme):
        if "endpoint" not in table.header or table.heading != "Endpoints":
            continue
        for cell in table.column("endpoint"):
            method = "*"
            for match in filter(None, map(DOCUMENTED.match, spans(cell))):
                method = match[1] or method
                found.append(f"{method} {shape(match[2])}")
    return found


@pytest.mark.parametrize("app", load().apps, ids=lambda app: app.name)
def test_endpoints_of_an_app(app: Service) -> None:
    documented = documented_in(APP_READMES[app.name])
    assert sorted(documented) == sorted(endpoints_of(app))


def test_health_routes_are_found() -> None:
    assert health() == {"GET /livez", "GET /readyz", "GET /health"}
