"""The error of a tool that could not do its work."""


class ToolError(Exception):
    """A tool could not do its work; the text is for the agent that called it."""
