"""Records what principals were refused."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.requests import HTTPConnection

from nexus_chassis.problems import Problem, problem_of
from nexus_gateway.audit.models import AuditEvent
from nexus_gateway.auth.access import known_principal
from nexus_gateway.auth.client_address import client_address
from nexus_gateway.context import get_context

_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

type _Handler = Callable[[Any, Any], Awaitable[Response]]


def record_refusals(app: FastAPI) -> None:
    """Record every error of a route of `app` that answers 401 or 403 to a principal, as `access.refused`."""
    for error_class, handler in list(app.exception_handlers.items()):
        app.add_exception_handler(error_class, _recording(handler))  # type: ignore[arg-type]  # narrower there


def _recording(handler: _Handler) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        if (problem := problem_of(request.app, error)) is not None:
            await record_refusal(request, problem)
        return await handler(request, error)

    return handle


async def record_refusal(connection: HTTPConnection, problem: Problem) -> None:
    """Record that a connection is answered with `problem`, if that refuses something to a principal."""
    principal = known_principal(connection)
    if principal is None or problem.status not in _REFUSED:
        return
    context = await get_context(connection)
    context.audit.record_repeated(
        AuditEvent.by(
            principal,
            "access.refused",
            "refused",
            target=f"{connection.scope.get('method', 'GET')} {connection.scope['path']}",
            address=client_address(connection),
            detail={"problem": problem.type.rpartition(":")[2]},
        )
    )
