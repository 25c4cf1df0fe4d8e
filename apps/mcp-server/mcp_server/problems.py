"""How this service's errors are answered over HTTP (RFC 9457)."""

from mcp_server.transports.errors import JsonNotAcceptedError, SubprotocolMissingError
from nexus_chassis.problems import Problem


def _json_not_accepted(_error: JsonNotAcceptedError) -> Problem:
    detail = "Answers are JSON. Send 'Accept: application/json, text/event-stream'."
    return Problem(406, "json-not-accepted", "Answers are JSON", detail)


def _subprotocol_missing(error: SubprotocolMissingError) -> Problem:
    detail = f"Connect with the WebSocket subprotocol {error.subprotocol!r}."
    return Problem(400, "subprotocol-missing", "The subprotocol is missing", detail)


PROBLEMS = (
    (JsonNotAcceptedError, _json_not_accepted),
    (SubprotocolMissingError, _subprotocol_missing),
)
