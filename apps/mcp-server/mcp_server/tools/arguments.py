"""Makes the HTTP request of a tool out of its arguments, none of which can leave its place."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlencode

from mcp_server.tools.definitions import HttpCall
from mcp_server.upstream.errors import CallRefusedError
from mcp_server.upstream.tool_http import Outgoing

_PLACE = re.compile(r"\{([^{}]+)\}")
_DOTS = frozenset({".", ".."})
_SEPARATORS = re.compile(r"[/\\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,1022}[\x21-\x7e])?")
_MAX_PATH = 4096
_MAX_DECODINGS = 5
_SCALARS = (str, int, float, bool)
_FORBIDDEN_HEADERS = frozenset(
    [
        "accept",
        "accept-encoding",
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "traceparent",
        "tracestate",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
    ]
)


class UnusableCallError(ValueError):
    """A definition cannot become a request; the text says why."""


def check_call(call: HttpCall, schema: Mapping[str, Any]) -> None:
    """Raise UnusableCallError unless each argument of the schema has one place, and the path is a plain one."""
    _check_path(call)
    places = list(_arguments(call))
    properties = schema.get("properties", {})
    if unknown := sorted(set(places) - set(properties)):
        raise UnusableCallError(f"the arguments {', '.join(unknown)} are not in properties of inputSchema")
    if unused := sorted(set(properties) - set(places)):
        raise UnusableCallError(f"the arguments {', '.join(unused)} have no place in path, query, headers or body")
    if twice := sorted({name for name in places if places.count(name) > 1}):
        raise UnusableCallError(f"the arguments {', '.join(twice)} have more than one place")
    if schema.get("additionalProperties") is not False:
        raise UnusableCallError('inputSchema needs "additionalProperties": false, since other arguments would be lost')
    if missing := sorted(set(_PLACE.findall(call.path)) - set(schema.get("required", []))):
        raise UnusableCallError(f"the arguments {', '.join(missing)} are part of the path, and must be in required")
    if forbidden := sorted(name for name in call.headers if is_forbidden_header(name)):
        raise UnusableCallError(f"the headers {', '.join(forbidden)} cannot be set by an argument")
    if call.method == "GET" and call.body is not None:
        raise UnusableCallError("a GET has no body")


def is_forbidden_header(name: str) -> bool:
    """Whether a header belongs to the connection, or to whoever is called for."""
    return name.lower() in _FORBIDDEN_HEADERS or name.lower().startswith(("x-forwarded-", "proxy-", "sec-"))


def _check_path(call: HttpCall) -> None:
    fixed = _PLACE.sub("x", call.path)
    if any(character in fixed for character in "{}?#\\ ") or not is_plain_path(fixed):
        raise UnusableCallError(f"the path {call.path!r:.200} has more than plain segments and {{name}}")


def is_plain_path(path: str) -> bool:
    """Whether no segment of a path is empty (but for the last), `.` or `..`, however it is encoded."""
    segments = [_decoded(segment) for segment in path.split("/")[1:]]
    return all(segment and not _leaves(segment) for segment in segments[:-1]) and not _leaves(segments[-1])


def _arguments(call: HttpCall) -> Iterator[str]:
    yield from _PLACE.findall(call.path)
    yield from call.query.values()
    yield from call.headers.values()
    if isinstance(call.body, str):
        yield call.body
    elif call.body is not None:
        yield from call.body.values()


def make_request(call: HttpCall, arguments: Mapping[str, Any]) -> Outgoing:
    """Return the request for arguments that agree with the schema; raises CallRefusedError."""
    path = _PLACE.sub(lambda place: _segment(place[1], arguments[place[1]]), call.path)
    if any(segment in _DOTS for segment in path.split("/")):
        raise CallRefusedError("the arguments would make a segment of the path `.` or `..`")
    query = [(name, value) for name, key in call.query.items() for value in _values(key, arguments.get(key))]
    address = f"{path}?{urlencode(query, quote_via=quote, safe='')}" if query else path
    if len(address) > _MAX_PATH:
        raise CallRefusedError(
            f"path and query would have {len(address)} characters; at most {_MAX_PATH} are permitted"
        )
    headers = {name: _header(key, arguments[key]) for name, key in call.headers.items() if key in arguments}
    return Outgoing(address, headers, *_body(call, arguments))


def _body(call: HttpCall, arguments: Mapping[str, Any]) -> tuple[Any, bool]:
    if call.body is None:
        return None, False
    if isinstance(call.body, str):
        return arguments.get(call.body), call.body in arguments
    return {member: arguments[key] for member, key in call.body.items() if key in arguments}, True


def _segment(name: str, value: object) -> str:
    """Return a part of the path. What decodes to another place is refused too: some servers decode more than once."""
    text = _text(name, value)
    decoded = _decoded(text)
    if not text or _leaves(decoded) or _CONTROL.search(decoded):
        raise CallRefusedError(f"the argument {name} must be a part of the path, found {text!r:.100}")
    return quote(text, safe="")


def _leaves(decoded: str) -> bool:
    return any(part in _DOTS for part in _SEPARATORS.split(decoded))


def _decoded(text: str) -> str:
    for _ in range(_MAX_DECODINGS):
        text, before = unquote(text), text
        if text == before:
            break
    return text


def _values(name: str, value: object) -> list[str]:
    if value is None:
        return []
    return [_text(name, one) for one in value] if isinstance(value, list) else [_text(name, value)]


def _header(name: str, value: object) -> str:
    text = _text(name, value)
    if not _HEADER_VALUE.fullmatch(text):
        raise CallRefusedError(f"the argument {name} is not a value that a header can have")
    return text


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, _SCALARS):
        raise CallRefusedError(f"the argument {name} must be a text, a number or a boolean here")
    return str(value)
