"""Protocol revisions, in two eras.

Handshake revisions (to 2025-11-25) begin with `initialize`. Modern ones (2026-07-28) have no beginning: each request
carries its revision and the client's capabilities in `params._meta`, and on HTTP repeats them in headers.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence

from mcp_server.protocol.jsonrpc import INVALID_PARAMS, Call, RpcError

HANDSHAKE = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN = ("2026-07-28",)

HEADER_MISMATCH = -32020
UNSUPPORTED_REVISION = -32022

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
SERVER_INFO_KEY = "io.modelcontextprotocol/serverInfo"

VERSION_HEADER = "mcp-protocol-version"
METHOD_HEADER = "mcp-method"
NAME_HEADER = "mcp-name"
_NAMED_BY = {"tools/call": "name"}
_BASE64_START, _BASE64_END = "=?base64?", "?="


def negotiate(requested: str) -> str:
    """Give the handshake revision to speak with a client that asks for `requested`."""
    return requested if requested in HANDSHAKE else HANDSHAKE[-1]


def is_modern(call: Call) -> bool:
    """Tell whether a message is of the modern era by what is in it."""
    meta = call.params.get("_meta")
    return call.method == "server/discover" or (isinstance(meta, dict) and VERSION_KEY in meta)


def unsupported(requested: object, supported: Sequence[str]) -> RpcError:
    """The error for a revision that is not spoken here."""
    known = ", ".join(supported)
    message = f"The protocol version {requested!r} is not supported here; supported are {known}"
    return RpcError(UNSUPPORTED_REVISION, message, {"supported": list(supported), "requested": requested})


def check_envelope(call: Call) -> None:
    """Check what each modern request carries about itself.

    Raises:
        RpcError: -32602, a member is missing or of the wrong type.
    """
    meta = call.params.get("_meta")
    if not isinstance(meta, dict):
        raise RpcError(INVALID_PARAMS, f"params._meta must be an object with {VERSION_KEY} and {CAPABILITIES_KEY}")
    if missing := [key for key in (VERSION_KEY, CAPABILITIES_KEY) if key not in meta]:
        raise RpcError(INVALID_PARAMS, f"params._meta lacks {' and '.join(missing)}")
    if not isinstance(meta[VERSION_KEY], str) or not isinstance(meta[CAPABILITIES_KEY], dict):
        raise RpcError(INVALID_PARAMS, f"In params._meta {VERSION_KEY} must be a string, {CAPABILITIES_KEY} an object")


def check_revision(call: Call) -> None:
    """Check that a modern request is of a revision spoken here.

    Raises:
        RpcError: -32022, it is not.
    """
    requested = call.params["_meta"][VERSION_KEY]
    if requested not in MODERN:
        raise unsupported(requested, MODERN)


def check_headers(call: Call, headers: Mapping[str, Sequence[str]]) -> None:
    """Check that the headers of a modern request say what its body says; `headers` by lower-case name.

    Raises:
        RpcError: -32020, one is missing, sent twice, or says something else.
    """
    expected = {VERSION_HEADER: call.params["_meta"][VERSION_KEY], METHOD_HEADER: call.method}
    if call.method in _NAMED_BY:
        expected[NAME_HEADER] = call.params.get(_NAMED_BY[call.method])
    for header, value in expected.items():
        sent = headers.get(header, [])
        if value is not None and [_decode(one) for one in sent] != [value]:
            raise RpcError(HEADER_MISMATCH, f"The header {header} must be sent once and say what the body says")


def _decode(value: str) -> str | None:
    """Undo the encoding of values that no header can carry as they are; None when it is damaged."""
    if not (value.startswith(_BASE64_START) and value.endswith(_BASE64_END)):
        return value
    try:
        return base64.b64decode(value[len(_BASE64_START) : -len(_BASE64_END)], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
