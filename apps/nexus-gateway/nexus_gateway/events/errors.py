"""Errors of frames."""


class BadFrameError(Exception):
    """A frame of a client is not understood; the message says why and what to send."""
