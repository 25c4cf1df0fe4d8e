"""The FastAPI application of a service, with what every service has."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from fastapi import APIRouter, FastAPI

from nexus_chassis.health import Health
from nexus_chassis.problems import install_problem_handlers
from nexus_chassis.settings import ServiceSettings
from nexus_chassis.telemetry import TelemetryMiddleware, configure_tracing

type Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def build_app(
    settings: ServiceSettings,
    *,
    version: str,
    lifespan: Lifespan,
    health: Health,
    routers: Sequence[APIRouter] = (),
) -> FastAPI:
    """An application with telemetry, problem details and health routes around `routers`.

    `lifespan` opens what the service needs and sets it on `app.state`; `app.state.settings` is set here.
    """
    configure_tracing(settings.service_name, version)
    app = FastAPI(title=settings.service_name, version=version, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.settings = settings
    install_problem_handlers(app)
    app.add_middleware(TelemetryMiddleware)
    for router in (health.router(), *routers):
        app.include_router(router)
    return app
