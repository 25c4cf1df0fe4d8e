"""What the tests expect of answers."""

import aiohttp

JSON = {"Content-Type": "application/json"}


async def problem(response: aiohttp.ClientResponse) -> dict[str, object]:
    """The problem details that a response holds."""
    assert response.content_type == "application/problem+json"
    return dict(await response.json(content_type=None))


def invalid(*faults: tuple[str, str]) -> dict[str, object]:
    """The problem of a request with these faults: pointers and texts."""
    return {
        "type": "urn:nexus:problem:invalid-request",
        "title": "The request is not valid",
        "status": 422,
        "detail": "; ".join(f"{pointer}: {text}" for pointer, text in faults),
        "errors": [{"pointer": pointer, "detail": text} for pointer, text in faults],
    }
