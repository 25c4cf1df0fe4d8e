"""The FastAPI application of a service, with what every service has."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import APIRouter
from fastapi.telemetry import TelemetryConfig
from starlette.middleware import Middleware

from nexus_chassis.admission import Admission, AdmissionMiddleware
from nexus_chassis.drain import Drain
from nexus_chassis.health import Health
from nexus_chassis.limits import Limits
from nexus_chassis.openapi import DocumentedApp
from nexus_chassis.origins import CorsMiddleware, Origins
from nexus_chassis.problems import ProblemMap, install_problem_handlers
from nexus_chassis.routing import Router, StrictRoute
from nexus_chassis.runtime import Runtime
from nexus_chassis.settings import ServiceSettings
from nexus_chassis.store_problems import STORE_PROBLEMS
from nexus_chassis.telemetry import TelemetryMiddleware, TrustsPeer, configure_tracing
from nexus_chassis.tokens import TokenVerifier

# The chassis has its own; FastAPI's costs each request some microseconds to find that nothing is configured.
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}

type Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def build_app(
    settings: ServiceSettings,
    *,
    version: str,
    lifespan: Lifespan,
    health: Health,
    routers: Sequence[Router] = (),
    problems: ProblemMap = (),
    limits: Limits = Limits(),  # noqa: B008  frozen
    origins: Origins = Origins(),  # noqa: B008  immutable
    verifier: TokenVerifier | None = None,
    middleware: Sequence[Middleware] = (),
    trusts_peer: TrustsPeer | None = None,
    openapi_url: str | None = "/openapi.json",
) -> FastAPI:
    """An application with telemetry, problem details, admission and health routes around `routers`.

    `lifespan` opens what the service needs and sets it as `app.state.context`. `problems` maps the service's errors.
    `verifier` is what `authenticate` uses; a lifespan may set it later on `runtime_of(app)`. `trusts_peer` limits whose
    traces are continued. `openapi_url` is None for an application that serves its document itself. `middleware` is the
    service's own, the outermost first: it runs for connections that were admitted.
    """
    configure_tracing(settings.service_name, version)
    app = DocumentedApp(
        title=settings.service_name,
        version=version,
        lifespan=_checked(lifespan, health),
        openapi_url=openapi_url,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
    )
    runtime = Runtime(
        health=health, admission=Admission(limits), drain=Drain(settings.drain_seconds), verifier=verifier
    )
    app.state.runtime = runtime
    health.drain = runtime.drain
    for own in reversed(middleware):
        app.add_middleware(own.cls, *own.args, **own.kwargs)
    if origins:
        app.add_middleware(CorsMiddleware, origins=origins)
    app.add_middleware(AdmissionMiddleware, admission=runtime.admission)
    install_problem_handlers(app, [*STORE_PROBLEMS, *problems])
    app.add_middleware(TelemetryMiddleware, trusts_peer=trusts_peer)
    for router in (health.router(), *routers):
        _include(app, router)
    return app


def _checked(lifespan: Lifespan, health: Health) -> Lifespan:
    """The lifespan, whose checks end with it: FastAPI's caches keep `health`, and with it all that the checks look at."""

    @asynccontextmanager
    async def checked(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with lifespan(app):
                yield
        finally:
            health.clear()

    return checked


def _include(app: FastAPI, router: APIRouter) -> None:
    """Add the routes themselves: `include_router` would match each request twice."""
    for route in router.routes:
        if getattr(route, "methods", None) is not None and not isinstance(route, StrictRoute):
            raise TypeError(f"{route} is not of a nexus_chassis.routing.Router.")
        app.router.routes.append(route)
