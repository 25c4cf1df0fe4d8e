"""Errors of the audit log."""


class BrokenChainError(Exception):
    """Row `seq` of the log is not the one that was written: it, or one before it, was changed, removed or added."""

    def __init__(self, seq: int, reason: str) -> None:
        self.seq = seq
        self.reason = reason
        super().__init__(f"Row {seq} of the audit log {reason}")
