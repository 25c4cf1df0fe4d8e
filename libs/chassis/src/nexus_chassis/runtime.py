"""What the chassis keeps of a running application."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from nexus_chassis.admission import Admission
from nexus_chassis.drain import Drain

if TYPE_CHECKING:
    from fastapi import FastAPI

    from nexus_chassis.health import Health
    from nexus_chassis.tokens import TokenVerifier


@dataclass(slots=True, kw_only=True)
class Runtime:
    """One application's health, admission, drain and token verifier.

    `on_reload` are called on SIGHUP, each in every worker process: they read again what may have changed, keep what they
    have where that is not possible, and raise, which is logged.
    """

    health: "Health"
    admission: Admission
    drain: Drain
    verifier: "TokenVerifier | None" = None
    on_reload: list[Callable[[], Awaitable[None]]] = field(default_factory=list)


def runtime_of(of: "HTTPConnection | FastAPI") -> Runtime:
    """The runtime of an application, or of the application that got a connection."""
    app = of.app if isinstance(of, HTTPConnection) else of
    runtime: Runtime = app.state.runtime
    return runtime
