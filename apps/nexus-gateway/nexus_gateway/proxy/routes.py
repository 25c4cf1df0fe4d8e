"""The routes: which paths go to which service, for whom, and within what limits."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from starlette.types import Scope

from nexus_gateway.auth.scopes import service_scopes
from nexus_gateway.settings import Settings

API = "/v1"
PAGES = "/pages"
MIB = 1024 * 1024
PAGE_BODY_LIMIT = 64 * 1024  # a page is read; what a page's script sends goes to the routes under /v1


@dataclass(frozen=True, slots=True)
class Uploads:
    """Bodies that are longer than those of other requests: of a POST to a `path` under the route's prefix, of one of these types.

    `seconds` is how long such a request may take until its answer begins, the time in which it is sent included.
    """

    path: re.Pattern[str]
    media_types: frozenset[bytes]
    body_limit: int
    seconds: float

    def include(self, path: str, scope: Scope) -> bool:
        """Whether a request is one of them; `path` follows the route's prefix."""
        if scope["method"] != "POST" or not self.path.fullmatch(path):
            return False
        types = [value for name, value in scope["headers"] if name == b"content-type"]
        return len(types) == 1 and types[0].partition(b";")[0].strip().lower() in self.media_types


@dataclass(frozen=True, slots=True)
class StartPage:
    """Where some pages of a service begin: the path under their prefix, and the link to it."""

    path: str
    title: str
    summary: str


BULK = Uploads(
    path=re.compile(r"/[^/]+/bulk"),
    media_types=frozenset({b"application/x-ndjson", b"text/csv"}),
    body_limit=1024 * MIB,  # DATAFLOW_BULK_BYTES
    seconds=630,  # DATAFLOW_BULK_SECONDS, and 30 for its answer
)
"""Streams of rows, which dataflow-service writes as they arrive."""

JOBS = Uploads(
    path=re.compile(r"/jobs"),
    media_types=frozenset(
        {
            b"text/csv",
            b"text/plain",
            b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            b"application/jsonl",
            b"application/x-ndjson",
            b"application/octet-stream",
        }
    ),
    body_limit=1024 * MIB,  # CLASSIFICATION_JOB_BYTES
    seconds=630,
)
"""Files whose rows classification-service classifies, which stores them as they arrive."""

MODELS = StartPage("/models", "Data models", "Their fields and relations, with examples and rows to look at")
REVIEW = StartPage("/review", "Review", "Codes of products to decide, the most useful first")
CLASSIFY = StartPage("/jobs", "Classify files", "Send a file of products, and read the codes of its rows")


@dataclass(frozen=True, slots=True)
class Route:
    """Requests under `prefix` go to the same path under `target` of `service`, which is reached at `upstream`.

    The principal needs one of `scopes`. `timeout` is how long an answer may take to begin and how long the service may be
    silent after that, in seconds; for a body that is streamed it runs from the body's end, and `upload_timeout`, where there
    is one, from the beginning. `pages` are linked to on the gateway's start page. `body_limit` is the largest request body, in bytes; `uploads` may be longer. Requests to all
    routes of a `rate_class` count together.
    """

    prefix: str
    target: str
    service: str
    upstream: str
    scopes: frozenset[str]
    timeout: float
    body_limit: int
    rate_class: str
    uploads: Uploads | None = None
    upload_timeout: float | None = None
    pages: tuple[StartPage, ...] = ()

    def of(self, scope: Scope) -> "Route":
        """The route with the limits for this request."""
        uploads = self.uploads
        if uploads is None or not uploads.include(scope["path"].removeprefix(self.prefix), scope):
            return self
        return replace(self, body_limit=uploads.body_limit, timeout=uploads.seconds, upload_timeout=uploads.seconds)

    @property
    def name(self) -> str:
        """What follows /v1/ or /pages/ in the prefix."""
        return self.prefix.rpartition("/")[2]


def routes(settings: Settings) -> tuple[Route, ...]:
    """The route table: one line for each service, and a route for its pages."""
    data, agents = "data:read data:write data:admin", "tools:call workflows:deploy"
    address = settings.classification_url
    api = (
        _api("data", "dataflow-service", settings.dataflow_url, data, uploads=BULK, pages=(MODELS,)),
        _api(
            "classification",
            "classification-service",
            address,
            "classify",
            timeout=120,
            mib=64,
            rate_class="heavy",
            uploads=JOBS,
            pages=(REVIEW, CLASSIFY),
        ),
        _api("agents", "mcp-server", settings.mcp_url, agents, timeout=60, mib=4, rate_class="heavy"),
        *(_api(name, name, upstream, name) for name, upstream in settings.more_services.items()),
    )
    return (*api, *_pages(api))


def _api(
    name: str,
    service: str,
    upstream: str,
    scopes: str,
    *,
    timeout: float = 30,
    mib: int = 16,
    rate_class: str = "standard",
    uploads: Uploads | None = None,
    pages: tuple[StartPage, ...] = (),
) -> Route:
    return Route(
        f"{API}/{name}",
        API,
        service,
        upstream,
        frozenset(scopes.split()),
        timeout,
        mib * MIB,
        rate_class,
        uploads=uploads,
        pages=pages,
    )


def _pages(api: Iterable[Route]) -> Iterator[Route]:
    for route in api:
        prefix = f"{PAGES}/{route.name}"
        yield replace(
            route, prefix=prefix, target=PAGES, body_limit=PAGE_BODY_LIMIT, rate_class="standard", uploads=None
        )


class RouteTable:
    """The routes in use, and what follows from them; `reload` reads NEXUS_ROUTES_FILE again.

    `addresses` (by service) and `scopes` (by audience: those that its tokens can carry) stay the same objects, so that
    whoever was given one sees the change.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.routes: tuple[Route, ...] = ()
        self.addresses: dict[str, str] = {}
        self.scopes: dict[str, frozenset[str]] = {}
        self.reload()

    def pages_for(self, scopes: frozenset[str]) -> list[tuple[str, StartPage]]:
        """Path and link of the pages of services that somebody with these scopes may open."""
        return [
            (f"{route.prefix}{page.path}", page)
            for route in self.routes
            if route.target == PAGES and not scopes.isdisjoint(route.scopes)
            for page in route.pages
        ]

    def all_scopes(self) -> frozenset[str]:
        """Every scope that there is now."""
        return frozenset().union(*self.scopes.values())

    def reload(self) -> None:
        """Take over the routes as they are now; raises ValueError, and changes nothing, where the file is wrong."""
        found, more = routes(self._settings), self._settings.more_services
        self.routes = found
        _replace(self.addresses, {route.service: route.upstream for route in found})
        _replace(self.scopes, service_scopes(more))


def _replace[T](mapping: dict[str, T], content: dict[str, T]) -> None:
    mapping.clear()
    mapping.update(content)
