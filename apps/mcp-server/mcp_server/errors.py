"""The base of errors that agents can read."""


class AgentFacingError(Exception):
    """Something that a tool needs did not work; the text is for the agent that called the tool."""
