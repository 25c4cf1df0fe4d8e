"""Where a request goes."""

import re

from yarl import URL

from nexus_gateway.proxy.errors import AmbiguousPathError
from nexus_gateway.proxy.routes import Route

_DOTS_OR_SLASHES = re.compile(rb"%2f|%5c|\\|(?:/|%2f)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
"""Encoded slashes, backslashes and segments of dots: a service may resolve them where the gateway does not."""


def upstream_url(route: Route, raw_path: bytes, query: bytes) -> URL:
    """The service's address of a path, unchanged but for the prefix; raises AmbiguousPathError."""
    path = raw_path.decode("ascii")  # the server refuses a target with other bytes
    if not path.startswith(f"{route.prefix}/") or _DOTS_OR_SLASHES.search(raw_path):
        raise AmbiguousPathError(path, route.prefix)
    rest = path.removeprefix(route.prefix)
    return URL(f"{route.upstream}{route.target}{rest}{'?' if query else ''}{query.decode('ascii')}", encoded=True)
