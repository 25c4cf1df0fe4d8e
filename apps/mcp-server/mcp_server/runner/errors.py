"""What can go wrong with the runner."""


class SandboxUnavailableError(Exception):
    """The kernel lacks what runs are confined by; `missing` says what, as parts of a sentence."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__(f"Runs cannot be confined here: this machine lacks {' and '.join(missing)}.")
        self.missing = missing


class ForkServerGoneError(Exception):
    """The process that runs are forked from ended or did not start: it has logged why on stderr."""

    def __init__(self) -> None:
        super().__init__("The process that starts runs ended. Start the run again.")
