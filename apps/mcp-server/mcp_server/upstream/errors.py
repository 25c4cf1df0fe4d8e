"""What can go wrong between this service and the others. The texts are for the agent that called a tool."""

from mcp_server.errors import AgentFacingError


class UpstreamUnavailableError(AgentFacingError):
    """`service` did not answer, or not in a usable way; `reason` says which."""

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(f"The call to {service} failed: {reason}. Try again later.")
        self.service = service
        self.reason = reason


class UpstreamFailedError(AgentFacingError):
    """`service` answered with a status of 500 or above."""

    def __init__(self, service: str, status: int, reason: str) -> None:
        super().__init__(f"{service} failed ({status}): {reason}. Try again later.")
        self.service = service
        self.status = status


class UpstreamRefusedError(AgentFacingError):
    """`service` answered with another status than 200, below 500."""

    def __init__(self, service: str, status: int, reason: str) -> None:
        super().__init__(f"{service} refuses the call ({status}): {reason}.")
        self.service = service
        self.status = status


class TokenExchangeError(AgentFacingError):
    """The gateway issued no token; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The gateway issued no token for this call: {reason}. Try again; if that does not help, log in again."
        )
        self.reason = reason


class UnreadableAnswerError(Exception):
    """The answer is too long or not acceptable JSON; the text says which, as the end of a sentence."""


class CircuitOpenError(AgentFacingError):
    """`service` did not answer several calls in a row, so it is not called for now."""

    def __init__(self, service: str, seconds: int) -> None:
        super().__init__(f"{service} did not answer the last calls, so it is not called now. Try again in {seconds} s.")
        self.service = service
        self.seconds = seconds


class TooManyCallsError(AgentFacingError):
    """The user called `tool` too often."""

    def __init__(self, tool: str, count: int, window: int, seconds: int) -> None:
        super().__init__(
            f"You have called {tool} too often: {count} calls in {window} s are permitted. Try again in {seconds} s."
        )
        self.tool = tool
        self.seconds = seconds


class SecretMissingError(AgentFacingError):
    """The secret `name` of a tool cannot be read."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The secret {name!r} of this tool is not there; whoever runs the stack must provide it.")
        self.name = name


class CallRefusedError(AgentFacingError):
    """The call is not made; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The call is not made: {reason}.")
        self.reason = reason
