"""Errors of passwords."""


class PasswordQueueFullError(Exception):
    """More passwords wait to be checked than can be checked soon; `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__("the queue of passwords to check is full")
