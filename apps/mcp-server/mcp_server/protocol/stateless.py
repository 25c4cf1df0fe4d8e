"""The stateless era, revision 2026-07-28.

There is no handshake: each request carries its revision and the client's capabilities in `params._meta`, and on HTTP
repeats them in headers.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from mcp_server.protocol.errors import HEADER_MISMATCH, INVALID_PARAMS, UNSUPPORTED_REVISION, RpcError
from mcp_server.protocol.messages import Call, Encoded, Result

REVISIONS = ("2026-07-28",)

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
SERVER_INFO_KEY = "io.modelcontextprotocol/serverInfo"

VERSION_HEADER = "mcp-protocol-version"
METHOD_HEADER = "mcp-method"
NAME_HEADER = "mcp-name"
PARAM_HEADER = "mcp-param-"
_NAMED_BY = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
_BASE64_START, _BASE64_END = "=?base64?", "?="
_INTEGER = re.compile(r"-?[0-9]{1,16}(\.0{1,16})?")

_PUBLIC = {"ttlMs": 60_000, "cacheScope": "public"}
_PRIVATE = {"ttlMs": 60_000, "cacheScope": "private"}
_VOLATILE = {"ttlMs": 0, "cacheScope": "private"}
_CACHE_HINTS = {
    "server/discover": _PUBLIC,
    "tools/list": _PRIVATE,  # what a client sees depends on the scopes of its token
    "prompts/list": _PRIVATE,
    "resources/list": _PRIVATE,
    "resources/templates/list": _PRIVATE,
    "resources/read": _VOLATILE,
}
"""How long each cacheable result may be kept, and whether for all users."""


def is_stateless(call: Call) -> bool:
    """Return whether a message is of this era by what is in it."""
    meta = call.params.get("_meta")
    return call.method == "server/discover" or (isinstance(meta, dict) and VERSION_KEY in meta)


def unsupported_revision(requested: object, supported: Sequence[str]) -> RpcError:
    """Return the error for a revision that this server does not support."""
    message = f"The protocol version {requested!r} is not supported here; supported are {', '.join(supported)}"
    return RpcError(UNSUPPORTED_REVISION, message, {"supported": list(supported), "requested": requested})


def check_envelope(call: Call) -> dict[str, Any]:
    """Return `params._meta`, after a check of the members that each request carries.

    Raises:
        RpcError: -32602, one is missing or of the wrong type.
    """
    meta = call.params.get("_meta")
    if not isinstance(meta, dict):
        raise RpcError(INVALID_PARAMS, f"params._meta must be an object with {VERSION_KEY} and {CAPABILITIES_KEY}")
    if missing := [key for key in (VERSION_KEY, CAPABILITIES_KEY) if key not in meta]:
        raise RpcError(INVALID_PARAMS, f"params._meta lacks {' and '.join(missing)}")
    if not isinstance(meta[VERSION_KEY], str) or not isinstance(meta[CAPABILITIES_KEY], dict):
        raise RpcError(INVALID_PARAMS, f"In params._meta {VERSION_KEY} must be a string, {CAPABILITIES_KEY} an object")
    return meta


def check_revision(call: Call) -> None:
    """Check that a request with a valid envelope is of a supported revision.

    Raises:
        RpcError: -32022, it is not.
    """
    requested = call.params["_meta"][VERSION_KEY]
    if requested not in REVISIONS:
        raise unsupported_revision(requested, REVISIONS)


def check_headers(call: Call, headers: Mapping[str, Sequence[str]]) -> None:
    """Check that the headers of a request agree with its body; `headers` by lower-case name.

    Raises:
        RpcError: -32020, one is missing, sent twice, or differs.
    """
    expected = {VERSION_HEADER: call.params["_meta"][VERSION_KEY], METHOD_HEADER: call.method}
    if call.method in _NAMED_BY:
        expected[NAME_HEADER] = call.params.get(_NAMED_BY[call.method])
    for header, value in expected.items():
        sent = headers.get(header, [])
        if value is not None and [_decode(one) for one in sent] != [value]:
            raise RpcError(HEADER_MISMATCH, f"The header {header} must be sent once and agree with the body")


def check_param_headers(
    params: Mapping[str, tuple[str, ...]], arguments: object, headers: Mapping[str, Sequence[str]]
) -> None:
    """Check the headers that repeat arguments of a tool; `params` has the path of each argument by header.

    Raises:
        RpcError: -32020, one is missing, sent twice, differs, or is sent without an argument.
    """
    for header, path in params.items():
        expected = [] if (value := _at(arguments, path)) is None else [value]
        sent = headers.get(header, [])
        if len(sent) != len(expected) or not all(map(_agrees, sent, expected)):
            raise RpcError(HEADER_MISMATCH, f"The header {header} must be sent once and agree with the arguments")


def _at(arguments: object, path: Sequence[str]) -> Any:  # noqa: ANN401  any JSON value
    for name in path:
        arguments = arguments.get(name) if isinstance(arguments, dict) else None
    return arguments


def _agrees(sent: str, value: object) -> bool:
    text = _decode(sent)
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, int | float):
        return text is not None and _INTEGER.fullmatch(text) is not None and int(text.partition(".")[0]) == value
    return text == value


class Suffixes:
    """The members that this era adds to results, as JSON."""

    def __init__(self, server_info: Mapping[str, Any]) -> None:
        self._server_info = dict(server_info)
        self._by_method = {method: self._of(hints) for method, hints in _CACHE_HINTS.items()}
        self._plain = self._of({})

    def of(self, method: str, result: Result) -> bytes:
        """Return the members to add to a result."""
        suffix = self._by_method.get(method, self._plain)
        if isinstance(result, Encoded) or not ("resultType" in result or "_meta" in result):
            return suffix
        meta = {SERVER_INFO_KEY: self._server_info, **result.pop("_meta", {})}
        hints = _CACHE_HINTS.get(method, {}) if result.get("resultType", "complete") == "complete" else {}
        return to_json({"resultType": result.pop("resultType", "complete"), **hints, "_meta": meta})[1:-1]

    def _of(self, hints: Mapping[str, Any]) -> bytes:
        return to_json({"resultType": "complete", **hints, "_meta": {SERVER_INFO_KEY: self._server_info}})[1:-1]


def _decode(value: str) -> str | None:
    """Undo the encoding of values that no header can carry as they are; None when it is damaged."""
    if not (value.startswith(_BASE64_START) and value.endswith(_BASE64_END)):
        return value
    try:
        return base64.b64decode(value[len(_BASE64_START) : -len(_BASE64_END)], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
