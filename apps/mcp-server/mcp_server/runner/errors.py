"""What can go wrong with the runner."""


class SandboxUnavailableError(Exception):
    """The kernel lacks what runs are confined by; `missing` says what, as parts of a sentence."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__(f"Runs cannot be confined here: this machine lacks {' and '.join(missing)}.")
        self.missing = missing
