"""What is to be made, and the checks of its name and port."""

import keyword
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nexusctl import unit_tests, wheels
from nexusctl.errors import NexusError
from nexusctl.workspace import APPS, ROOT, load

GATEWAY_NAMES = frozenset(
    {
        *(
            "agents",
            "audit",
            "channels",
            "classification",
            "clients",
            "data",
            "events",
            "me",
            "password-reset",
            "roles",
            "sessions",
            "status",
            "tenants",
            "tokens",
            "users",
            "ws",
        ),
        *("classification-service", "dataflow-service", "mcp-server", "nexus-gateway"),
        *("admin", "classify"),
    }
)
"""What the gateway's setting NEXUS_ROUTES takes for no service: its own paths, services and scopes."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_NAME = 30
_OWN_MODULES = frozenset({"conftest", "nexus_testkit", "tests"})
_ADMIN_PORT = 9090
_LOWEST_PORT, _HIGHEST_PORT = 1024, 65535
_USUAL_PORT = 8001


@dataclass(frozen=True)
class NewService:
    """A service that is not there yet."""

    name: str
    port: int

    @property
    def module(self) -> str:
        """Its Python package."""
        return self.name.replace("-", "_")

    @property
    def folder(self) -> Path:
        """Where its source will lie."""
        return APPS / self.name


def checked(name: str, port: int | None) -> NewService:
    """Return the service of that name, at the first free port if none is given; raise NexusError if it is not allowed."""
    fault = next(_faults(name, name.replace("-", "_")), None)
    if fault:
        raise NexusError(
            f"no service can be called {name!r}",
            fault,
            "choose another name: words joined by dashes, such as price-list",
        )
    return NewService(name, _free_port() if port is None else _checked_port(port))


def _faults(name: str, module: str) -> Iterator[str]:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        yield f"it is not lower-case words of letters and digits joined by dashes, at most {_LONGEST_NAME} characters"
    if name in {item.name for item in (*load().stated, *load().flavours)}:
        yield "project.toml has a service, a flavour or a worker of that name"
    yield from (f"{path.relative_to(ROOT)} is there already" for path in _places(name) if path.exists())
    if name in GATEWAY_NAMES:
        yield "the gateway has a path, a service or a scope of that name"
    if name in {Path(suite.folder).name for suite in unit_tests.suites()}:
        yield "`make unit` has a suite of that name"
    if keyword.iskeyword(module) or keyword.issoftkeyword(module):
        yield f"its Python package would be called {module}, which is a keyword of Python"
    locked = {pin.replace("-", "_").lower() for lock in wheels.app_locks() for pin, _ in wheels.pins(lock)}
    if module in sys.stdlib_module_names | _OWN_MODULES | locked:
        yield f"its Python package would be called {module}, like one that services import"


def _places(name: str) -> tuple[Path, ...]:
    return APPS / name, ROOT / "docker" / f"Dockerfile.{name}"


def _checked_port(port: int) -> int:
    if not _LOWEST_PORT <= port <= _HIGHEST_PORT:
        fault = f"a service may listen on {_LOWEST_PORT} to {_HIGHEST_PORT}"
    elif port in _taken_ports():
        fault = f"{_taken_ports()[port]} listens there"
    else:
        return port
    raise NexusError(
        f"the service cannot listen on port {port}",
        fault,
        f"choose another, such as {_free_port()}; or leave --port out",
    )


def _free_port() -> int:
    return next(port for port in range(_USUAL_PORT, _HIGHEST_PORT) if port not in _taken_ports())


def _taken_ports() -> dict[int, str]:
    return {
        _ADMIN_PORT: "the listener for metrics of every service",
        **{process.port: process.name for process in load().stated if process.port},
    }
