"""What can be wrong with a request to classify."""


class LlmNotConfiguredError(Exception):
    """The request insists on a language model, and none is configured."""

    def __init__(self) -> None:
        super().__init__(
            "llm='always' needs OPENAI_API_KEY_FILE, which this service does not have. "
            "Use llm='auto' or llm='never' for the local model."
        )
