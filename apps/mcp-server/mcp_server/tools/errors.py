"""What keeps a tool from doing its work."""

from mcp_server.errors import AgentFacingError


class UnexpectedContentError(AgentFacingError):
    """The content of the tool `tool` does not agree with its output schema; `faults` lists how."""

    def __init__(self, tool: str, faults: str) -> None:
        super().__init__(f"The answer behind {tool} does not agree with its output schema: {faults}")
        self.tool = tool
        self.faults = faults


class InvalidToolError(ValueError):
    """The definition of the tool `tool` breaks a rule of the protocol."""

    def __init__(self, tool: str, reason: str) -> None:
        super().__init__(f"The tool {tool!r} cannot be registered: {reason}")
        self.tool = tool
        self.reason = reason


class ToolRefusedError(Exception):
    """A definition cannot be registered: `reason` says why, and `name` of which tool."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The tool {name!r} cannot be registered: {reason}.")
        self.name = name
        self.reason = reason


class ReservedNameError(Exception):
    """The name is that of a built-in tool."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is the name of a built-in tool. Choose another one.")
        self.name = name


class TooManyToolsError(Exception):
    """The tenant has `limit` tools."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"There are {limit} registered tools already, and no more are permitted. Delete some first.")
        self.limit = limit


class ToolNotFoundError(Exception):
    """There is no registered tool of this name, or not this version of it."""

    def __init__(self, name: str, version: int | None = None) -> None:
        which = f"a registered tool {name!r}" if version is None else f"a version {version} of the tool {name!r}"
        super().__init__(f"There is no {which.removeprefix('a ')}. GET /v1/tools lists the tools.")
        self.name = name
        self.version = version


class ToolsAwayError(Exception):
    """The registered tools cannot be read now."""


class DocumentRefusedError(Exception):
    """An OpenAPI document cannot be imported; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The document cannot be imported: {reason}.")
        self.reason = reason
