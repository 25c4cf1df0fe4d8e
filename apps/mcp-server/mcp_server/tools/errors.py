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
