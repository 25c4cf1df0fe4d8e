"""How this service's errors are answered over HTTP (RFC 9457)."""

from mcp_server.dispatch.streams import TooManyStreamsError
from mcp_server.errors import AgentFacingError
from mcp_server.sessions.errors import SessionNotFoundError
from mcp_server.tools.errors import (
    DocumentRefusedError,
    ReservedNameError,
    ToolNotFoundError,
    ToolRefusedError,
    ToolsAwayError,
    TooManyToolsError,
)
from mcp_server.transports.errors import (
    EventsNotAcceptedError,
    HostNotAllowedError,
    JsonNotAcceptedError,
    SessionMissingError,
    SubprotocolMissingError,
)
from mcp_server.workflows import problems as of_workflows
from nexus_chassis.problems import Problem


def _json_not_accepted(_error: JsonNotAcceptedError) -> Problem:
    detail = "Answers are JSON. Send 'Accept: application/json, text/event-stream'."
    return Problem(406, "json-not-accepted", "Answers are JSON", detail)


def _events_not_accepted(_error: EventsNotAcceptedError) -> Problem:
    detail = "The answer is a stream of events. Send 'Accept: text/event-stream'."
    return Problem(406, "events-not-accepted", "The answer is a stream of events", detail)


def _subprotocol_missing(error: SubprotocolMissingError) -> Problem:
    detail = f"Connect with the WebSocket subprotocol {error.subprotocol!r}."
    return Problem(400, "subprotocol-missing", "The subprotocol is missing", detail)


def _session_missing(_error: SessionMissingError) -> Problem:
    detail = "Send initialize by POST first, and then the Mcp-Session-Id of its answer with each request."
    return Problem(400, "session-missing", "The session is missing", detail)


def _session_not_found(_error: SessionNotFoundError) -> Problem:
    detail = "There is no such session of yours; it may have ended. Send initialize again, without Mcp-Session-Id."
    return Problem(404, "session-not-found", "There is no such session", detail)


def _too_many_streams(error: TooManyStreamsError) -> Problem:
    return Problem(429, "too-many-streams", "There are too many streams", error.message)


def _host_not_allowed(error: HostNotAllowedError) -> Problem:
    detail = f"This service is not known as {error.host[:200]!r}. Add the name to NEXUS_ALLOWED_HOSTS if it should be."
    return Problem(421, "host-not-allowed", "The request is for another host", detail)


def _tool_refused(error: ToolRefusedError) -> Problem:
    return Problem(422, "tool-refused", "The tool cannot be registered", str(error))


def _document_refused(error: DocumentRefusedError) -> Problem:
    return Problem(422, "document-refused", "The document cannot be imported", str(error))


def _gateway_unusable(error: AgentFacingError) -> Problem:
    return Problem(502, "upstream-unusable", "A service behind this one cannot be used", str(error))


def _reserved_name(error: ReservedNameError) -> Problem:
    return Problem(409, "reserved-name", "The name is that of a built-in tool", str(error))


def _too_many_tools(error: TooManyToolsError) -> Problem:
    return Problem(409, "too-many-tools", "There are too many tools", str(error))


def _tool_not_found(error: ToolNotFoundError) -> Problem:
    return Problem(404, "tool-not-found", "There is no such tool", str(error))


def _tools_away(_error: ToolsAwayError) -> Problem:
    detail = "The registered tools cannot be read now. Try again later."
    return Problem(503, "tools-unavailable", "The tools cannot be read", detail)


PROBLEMS = (
    (JsonNotAcceptedError, _json_not_accepted),
    (EventsNotAcceptedError, _events_not_accepted),
    (SubprotocolMissingError, _subprotocol_missing),
    (SessionMissingError, _session_missing),
    (SessionNotFoundError, _session_not_found),
    (HostNotAllowedError, _host_not_allowed),
    (TooManyStreamsError, _too_many_streams),
    (ToolRefusedError, _tool_refused),
    (DocumentRefusedError, _document_refused),
    (AgentFacingError, _gateway_unusable),
    (ReservedNameError, _reserved_name),
    (TooManyToolsError, _too_many_tools),
    (ToolNotFoundError, _tool_not_found),
    (ToolsAwayError, _tools_away),
    *of_workflows.PROBLEMS,
)
