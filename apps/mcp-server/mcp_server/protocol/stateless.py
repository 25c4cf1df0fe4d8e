"""The stateless era, revision 2026-07-28.

There is no handshake: each request carries its revision and the client's capabilities in `params._meta`, and on HTTP
repeats them in headers.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from mcp_server.protocol.errors import HEADER_MISMATCH, INVALID_PARAMS, UNSUPPORTED_REVISION, RpcError
from mcp_server.protocol.messages import Call, Result

REVISIONS = ("2026-07-28",)

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
SERVER_INFO_KEY = "io.modelcontextprotocol/serverInfo"

VERSION_HEADER = "mcp-protocol-version"
METHOD_HEADER = "mcp-method"
NAME_HEADER = "mcp-name"
_NAMED_BY = {"tools/call": "name"}
_BASE64_START, _BASE64_END = "=?base64?", "?="

_CACHE_HINTS = {"ttlMs": 60_000, "cacheScope": "public"}
_CACHEABLE = frozenset({"server/discover", "tools/list"})
"""Methods whose results are the same for everyone until the server restarts."""


def is_stateless(call: Call) -> bool:
    """Return whether a message is of this era by what is in it."""
    meta = call.params.get("_meta")
    return call.method == "server/discover" or (isinstance(meta, dict) and VERSION_KEY in meta)


def unsupported_revision(requested: object, supported: Sequence[str]) -> RpcError:
    """Return the error for a revision that this server does not support."""
    message = f"The protocol version {requested!r} is not supported here; supported are {', '.join(supported)}"
    return RpcError(UNSUPPORTED_REVISION, message, {"supported": list(supported), "requested": requested})


def check_envelope(call: Call) -> None:
    """Check the members of `params._meta` that each request carries.

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


def complete(method: str, result: Result, server_info: Mapping[str, Any]) -> Result:
    """Return a result with the members that this era adds."""
    hints = _CACHE_HINTS if method in _CACHEABLE else {}
    return {"resultType": "complete", **result, **hints, "_meta": {SERVER_INFO_KEY: server_info}}


def _decode(value: str) -> str | None:
    """Undo the encoding of values that no header can carry as they are; None when it is damaged."""
    if not (value.startswith(_BASE64_START) and value.endswith(_BASE64_END)):
        return value
    try:
        return base64.b64decode(value[len(_BASE64_START) : -len(_BASE64_END)], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
