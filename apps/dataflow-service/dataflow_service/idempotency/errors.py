"""What can be wrong with a request that may be repeated."""


class InvalidKeyError(Exception):
    """The header field Idempotency-Key is malformed."""

    def __init__(self) -> None:
        super().__init__(
            "Idempotency-Key should be one string of 1 to 255 printable ASCII characters without quote and backslash, "
            'such as "8e03978e-40d5-43dd-bc93-6894a57f9324". Make a new one, for example a UUID, for each request.'
        )


class KeyReusedError(Exception):
    """Another request of the same subject had the key."""

    def __init__(self) -> None:
        super().__init__(
            "You have sent another request with this Idempotency-Key within 24 hours. Repeat a request unchanged, or send a "
            "new one with a key of its own."
        )


class StillRunningError(Exception):
    """A request with the key is running."""

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key is still running. Repeat it later for its answer.")


class AnswerTooLargeError(Exception):
    """An answer has more bytes than one may have, and nothing was done."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The answer would have more than {limit} bytes. Nothing was done. Send the request in parts.")
        self.limit = limit
