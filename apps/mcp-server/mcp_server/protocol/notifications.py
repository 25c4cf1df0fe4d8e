"""Notifications to clients, and log levels (RFC 5424 section 6.2.1)."""

from collections.abc import Mapping
from typing import Any

from mcp_server.protocol import jsonrpc
from mcp_server.protocol.errors import INVALID_PARAMS, RpcError

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
SUBSCRIPTION_KEY = "io.modelcontextprotocol/subscriptionId"


def check_level(level: object) -> str:
    """Return a log level; raises RpcError for what is none."""
    if level not in LEVELS:
        raise RpcError(INVALID_PARAMS, f"The log level must be one of {', '.join(LEVELS)}")
    return str(level)


def is_logged(level: str, least: str | None) -> bool:
    """Return whether a message of `level` is sent to a client that asked for `least`; None: it asked for no messages."""
    return least is not None and LEVELS.index(level) >= LEVELS.index(least)


def progress(token: object, value: float, total: float | None, message: str | None) -> bytes:
    """Return notifications/progress for a request that carries `token`."""
    extras = {"total": total, "message": message}
    params = {"progressToken": token, "progress": value, **{name: it for name, it in extras.items() if it is not None}}
    return jsonrpc.notification("notifications/progress", params)


def log(level: str, data: object, logger: str) -> bytes:
    """Return notifications/message."""
    return jsonrpc.notification("notifications/message", {"level": level, "logger": logger, "data": data})


def for_subscription(subscription_id: object, method: str, params: Mapping[str, Any]) -> bytes:
    """Return a notification of a subscriptions/listen stream."""
    return jsonrpc.notification(method, {**params, "_meta": {SUBSCRIPTION_KEY: subscription_id}})
