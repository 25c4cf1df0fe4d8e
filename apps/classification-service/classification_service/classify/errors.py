"""What can be wrong with a request to classify."""


class NoQueueError(Exception):
    """The request wants items to be reviewed, and there is no database for the queue."""

    def __init__(self) -> None:
        super().__init__(
            "review=true needs the review queue, which is kept in PostgreSQL. Set NEXUS_POSTGRES_URL and "
            "NEXUS_POSTGRES_PASSWORD_FILE, or leave it out."
        )


class LlmNotConfiguredError(Exception):
    """The request insists on a language model, and none is configured."""

    def __init__(self) -> None:
        super().__init__(
            "llm='always' needs OPENAI_API_KEY_FILE, which this service does not have. "
            "Use llm='auto' or llm='never' for the local model."
        )
