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
