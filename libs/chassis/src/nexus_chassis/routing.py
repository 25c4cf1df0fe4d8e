"""Routers whose routes take nothing that they do not know."""

from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, get_args, get_origin, override
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import Depends, Query
from fastapi.routing import APIRoute, APIRouter
from pydantic import BaseModel, ValidationError
from starlette.routing import Match

from nexus_chassis.limits import MAX_FAULTS, SMALL_BODY_BYTES
from nexus_chassis.problems import Problem
from nexus_chassis.request_body import read_json_bytes

if TYPE_CHECKING:
    from fastapi.dependencies.models import Dependant
    from starlette.types import Receive, Scope, Send

type _Handler = Callable[[Request], Coroutine[Any, Any, Response]]


_VERBS = frozenset(
    [
        "add",
        "change",
        "classify",
        "count",
        "create",
        "delete",
        "end",
        "get",
        "list",
        "publish",
        "read",
        "replace",
        "update",
    ]
)


def _operation_id(route: APIRoute) -> str:
    """The name that generated clients call the operation by: of the endpoint `list_rows`, `rows_list`."""
    verb, _, resource = route.name.strip("_").partition("_")
    return f"{resource}_{verb}" if resource and verb in _VERBS else route.name.strip("_")


class Router(APIRouter):
    """A router of strict routes.

    A route refuses unknown and repeated query parameters (400), and answers HEAD where it answers GET. A body model is read
    from strict JSON of at most SMALL_BODY_BYTES, also of strangers; see `nexus_chassis.request_body` for larger bodies.
    """

    def __init__(
        self,
        *,
        prefix: str = "",
        tags: list[str] | None = None,
        dependencies: Sequence[Depends] = (),
    ) -> None:
        super().__init__(
            prefix=prefix,
            tags=list(tags or []),
            dependencies=dependencies,
            redirect_slashes=False,
            route_class=StrictRoute,
            generate_unique_id_function=_operation_id,
        )


class StrictRoute(APIRoute):
    """A route of a Router."""

    @override
    def get_route_handler(self) -> _Handler:
        handle = super().get_route_handler()
        query = _QueryRules(self.dependant)
        model = self._body_model()

        async def handle_strict(request: Request) -> Response:
            query.check(request.scope["query_string"])
            if model is not None:
                request = _ParsedRequest(request, await read_model(request, model, SMALL_BODY_BYTES))
            return await handle(request)

        return handle_strict

    def _body_model(self) -> type[BaseModel] | None:
        if self.body_field is None:
            return None
        annotation = self.body_field.field_info.annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)) or self._embed_body_fields:
            raise TypeError(f"{self.path}: the body must be one pydantic model, so that it can be read strictly.")
        return annotation

    @override
    def matches(self, scope: "Scope") -> "tuple[Match, Scope]":
        if not self.param_convertors and scope["path"] != self.path:
            return Match.NONE, {}  # cheaper than the route's pattern, which says the same
        match, child_scope = super().matches(scope)
        if match is Match.PARTIAL and self._answers_head(scope):
            return Match.FULL, child_scope
        return match, child_scope

    @override
    async def handle(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if self._answers_head(scope):
            await self.app(scope, receive, send)  # the server sends no body
        else:
            await super().handle(scope, receive, send)

    def _answers_head(self, scope: "Scope") -> bool:
        return scope.get("method") == "HEAD" and "GET" in (self.methods or ())


class DirectRoute(StrictRoute):
    """A route whose endpoint takes the request alone, and returns a Response.

    FastAPI's own layers are left out: they cost more CPU than the check of a token and its session. For endpoints that
    most requests go to; the OpenAPI document has what `response_model` says.
    """

    def __init__(self, path: str, endpoint: _Handler, **options: Any) -> None:  # noqa: ANN401  those of APIRoute
        super().__init__(path, endpoint, **options)
        self._query = _QueryRules(self.dependant)

    def check_query(self, query_string: bytes) -> None:
        """Raise Problem 400 for a query that the endpoint does not expect."""
        self._query.check(query_string)

    @override
    async def handle(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["method"] not in (self.methods or ()) and not self._answers_head(scope):
            await super().handle(scope, receive, send)
            return
        self.check_query(scope["query_string"])
        response: Response = await self.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


class _QueryRules:
    """The query parameters that a route knows."""

    def __init__(self, dependant: "Dependant") -> None:
        fields = [field for field in get_flat_params(dependant) if isinstance(field.field_info, Query)]
        self._known = sorted({field.alias for field in fields})
        self._lists = {field.alias for field in fields if _is_list(field.field_info.annotation)}

    def check(self, query_string: bytes) -> None:
        """Raise Problem 400 for a parameter that is unknown or repeated."""
        if not query_string:
            return
        names = Counter(name for name, _ in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))
        if unknown := sorted(names.keys() - set(self._known)):
            raise self._unknown(unknown)
        if repeated := sorted(name for name, count in names.items() if count > 1 and name not in self._lists):
            detail = f"The query parameter {_quoted(repeated)} is given more than once. Give it once."
            raise Problem(400, "repeated-parameter", "A query parameter is repeated", detail)

    def _unknown(self, names: list[str]) -> Problem:
        known = f"Known are: {', '.join(self._known)}." if self._known else "None are known here."
        detail = f"There is no query parameter {_quoted(names)}. {known}"
        return Problem(400, "unknown-parameter", "A query parameter is unknown", detail)


def _is_list(annotation: object) -> bool:
    return get_origin(annotation) is list or any(get_origin(part) is list for part in get_args(annotation))


def _quoted(names: list[str]) -> str:
    return ", ".join(repr(name[:100]) for name in names[:MAX_FAULTS])


class _ParsedRequest(Request):
    """A request whose body has become a model already."""

    def __init__(self, request: Request, model: BaseModel) -> None:
        super().__init__(request.scope, request.receive)
        self._model = model

    @override
    async def body(self) -> bytes:
        return b"{}"  # FastAPI asks for `json()` where there is a body

    @override
    async def json(self) -> BaseModel:
        return self._model


async def read_model[M: BaseModel](request: Request, model: type[M], limit: int) -> M:
    """The body as a model, for bodies of more than SMALL_BODY_BYTES, which endpoints read once the token was accepted.

    Raises RequestValidationError, and Problem as `read_json_bytes` does.
    """
    body = await read_json_bytes(request, limit)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise RequestValidationError(_body_faults(error)) from None


def _body_faults(error: ValidationError) -> list[dict[str, Any]]:
    """The first faults of a body, in the form that RequestValidationError takes, and how many more there are."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    faults = [{"loc": ("body", *fault["loc"]), "msg": fault["msg"]} for fault in found[:MAX_FAULTS]]
    if (more := len(found) - MAX_FAULTS) > 0:
        faults.append({"loc": ("body",), "msg": f"has {more} more faults like these"})
    return faults
