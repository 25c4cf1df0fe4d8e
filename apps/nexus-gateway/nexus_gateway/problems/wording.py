"""What several problems say."""

STATUS_HINT = "/v1/status shows the state of each service."


def retry_after(seconds: int) -> dict[str, str]:
    """The header Retry-After (RFC 9110 section 10.2.3)."""
    return {"Retry-After": str(seconds)}
