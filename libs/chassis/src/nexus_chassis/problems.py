"""Errors as RFC 9457 problem details (application/problem+json)."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from nexus_chassis.limits import MAX_FAULTS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEDIA_TYPE = "application/problem+json"
_PREFIX = "urn:nexus:problem:"
_POINTER_PART = 100  # characters of one member name, which the caller chose
_log = logging.getLogger(__name__)


class Problem(Exception):  # noqa: N818  RFC 9457 calls it a problem
    """An error with its answer: `type` is the stable slug after "urn:nexus:problem:", extra members are kept."""

    def __init__(
        self,
        status: int,
        type: str,  # noqa: A002  RFC 9457's name
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **extra: object,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.type = _PREFIX + type
        self.title = title
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra

    def body(self) -> dict[str, object]:
        """The problem details object."""
        return {"type": self.type, "title": self.title, "status": self.status, "detail": self.detail, **self.extra}

    def response(self) -> Response:
        """The whole answer."""
        content = json.dumps(self.body(), ensure_ascii=False)
        return Response(content, self.status, headers=self.headers, media_type=MEDIA_TYPE)


type ProblemMap = Sequence[tuple[type[Exception], Callable[[Any], Problem]]]
"""Error classes of an application, each with what makes a Problem of an error; subclasses are covered."""


def install_problem_handlers(app: FastAPI, problems: ProblemMap) -> None:
    """Make `app` answer every error with problem details, those of `problems` included."""
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    for error_class, _ in problems:
        app.add_exception_handler(error_class, _answer_mapped)
    app.state.problems = dict(problems)
    app.add_middleware(UnhandledErrorMiddleware)


def problem_of(app: FastAPI, error: Exception) -> Problem | None:
    """The Problem that `app` answers for an error; None for one that it does not know."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return _validation_problem(error)
    problems: dict[type[Exception], Callable[[Any], Problem]] = app.state.problems
    make = next((problems[cls] for cls in type(error).__mro__ if cls in problems), None)
    return None if make is None else make(error)


async def _answer_mapped(request: Request, error: Exception) -> Response:
    problem = problem_of(request.app, error)
    if problem is None:
        raise error
    return problem.response()


async def _answer_problem(_: Request, error: Exception) -> Response:
    return cast("Problem", error).response()


async def _answer_validation(_: Request, error: Exception) -> Response:
    return _validation_problem(cast("RequestValidationError", error)).response()


def _validation_problem(error: RequestValidationError) -> Problem:
    faults = [
        {"pointer": "/" + "/".join(str(part)[:_POINTER_PART] for part in fault["loc"]), "detail": fault["msg"]}
        for fault in error.errors()[: MAX_FAULTS + 1]
    ]
    detail = "; ".join(f"{fault['pointer']}: {fault['detail']}" for fault in faults)
    return Problem(422, "invalid-request", "The request is not valid", detail, errors=faults)


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    http_error = cast("HTTPException", error)
    slug, title, detail = _describe(request, http_error)
    headers = dict(http_error.headers or {})
    if http_error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = allowed_methods(request)
    return Problem(http_error.status_code, slug, title, detail, headers=headers).response()


def allowed_methods(request: Request) -> str:
    """The methods of all routes at the path of the request (RFC 9110 section 10.2.1)."""
    path = request.scope["path"]
    routes = [route for route in request.app.router.routes if isinstance(route, Route) and route.path_regex.match(path)]
    methods = {method for route in routes for method in route.methods or ()}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _describe(request: Request, error: HTTPException) -> tuple[str, str, str]:
    phrase = HTTPStatus(error.status_code).phrase
    if error.status_code == HTTPStatus.NOT_FOUND and error.detail == phrase:
        return "not-found", "There is nothing here", "Nothing is served at this path. Check it for spelling."
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.method} is not allowed here. Use {allowed_methods(request)}."
        return "method-not-allowed", "This method is not allowed here", detail
    return phrase.lower().replace(" ", "-"), phrase, str(error.detail)


class UnhandledErrorMiddleware:
    """Logs an exception that nothing handled, and answers 500 without telling its inside."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watch(message: "Message") -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            return  # nobody waits for an answer
        except Exception:
            if started:
                raise
            _log.exception("%s %s failed", scope["method"], scope["path"])
            await _internal_error().response()(scope, receive, send)


def _internal_error() -> Problem:
    return Problem(
        500,
        "internal-error",
        "The service failed",
        "The service failed on this request; the reason is in its log under the trace id of this request. Try again later.",
    )
