"""What counts as an answer of a server outside the stack: one that is whole, fresh, and of the expected form."""

import re
from http import HTTPStatus

import aiohttp

from mcp_server.upstream.errors import UnreadableAnswerError

_SUCCESSES = frozenset({HTTPStatus.OK, HTTPStatus.CREATED})
_JSON = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json", re.IGNORECASE)


def require_whole(response: aiohttp.ClientResponse) -> None:
    """Raise UnreadableAnswerError for a body whose end cannot be told from a lost connection, or that is compressed."""
    headers = response.headers
    if "Content-Length" not in headers and "chunked" not in headers.get("Transfer-Encoding", "").lower():
        raise UnreadableAnswerError("its answer does not say where it ends")
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnreadableAnswerError("its answer is compressed, which was not asked for")


def require_success(response: aiohttp.ClientResponse, max_age: float) -> None:
    """Raise UnreadableAnswerError unless an answer without error is one of JSON, from now."""
    if response.status not in _SUCCESSES:
        raise UnreadableAnswerError(f"it answered with status {response.status}, which is no complete answer")
    require_fresh(response, max_age)
    if not _JSON.fullmatch(response.content_type):
        raise UnreadableAnswerError(f"its answer is of type {response.content_type!r:.80}, not JSON")
    if (response.charset or "utf-8").lower() not in {"utf-8", "utf8", "us-ascii"}:
        raise UnreadableAnswerError("its answer is not in UTF-8")


def require_nothing(response: aiohttp.ClientResponse, max_age: float) -> None:
    """Raise UnreadableAnswerError unless an answer says that there is nothing to say."""
    if response.status != HTTPStatus.NO_CONTENT:
        raise UnreadableAnswerError(f"it answered with status {response.status} instead of 204")
    require_fresh(response, max_age)


def require_fresh(response: aiohttp.ClientResponse, max_age: float) -> None:
    """Raise UnreadableAnswerError for an answer that a cache kept for longer than `max_age` seconds (RFC 9111)."""
    age = response.headers.get("Age")
    if age is None:
        return
    if not re.fullmatch(r"[0-9]{1,10}", age) or int(age) > max_age:
        raise UnreadableAnswerError(f"its answer is {age!r:.20} s old; a cache kept it")
