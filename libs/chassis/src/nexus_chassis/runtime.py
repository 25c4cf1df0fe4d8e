"""What the chassis keeps of a running application."""

from dataclasses import dataclass
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
    """One application's health, admission, drain and token verifier."""

    health: "Health"
    admission: Admission
    drain: Drain
    verifier: "TokenVerifier | None" = None


def runtime_of(of: "HTTPConnection | FastAPI") -> Runtime:
    """The runtime of an application, or of the application that got a connection."""
    app = of.app if isinstance(of, HTTPConnection) else of
    runtime: Runtime = app.state.runtime
    return runtime
