"""The routes: which paths go to which service, for whom, and within what limits."""

from dataclasses import dataclass

from nexus_gateway.settings import Settings

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Route:
    """Requests under `prefix` go to the same path under /v1 of `service`.

    The principal needs one of `scopes`. `timeout` is the longest silence of the service, in seconds; `body_limit` is the
    largest request body, in bytes.
    """

    prefix: str
    service: str
    upstream: str
    scopes: frozenset[str]
    timeout: float
    body_limit: int
    rate_class: str = "standard"


def routes(settings: Settings) -> tuple[Route, ...]:
    """The route table."""
    return (
        Route(
            "/v1/data",
            "dataflow-service",
            settings.dataflow_url,
            frozenset({"data:read", "data:write", "data:admin"}),
            timeout=30,
            body_limit=16 * MIB,
        ),
        Route(
            "/v1/classification",
            "classification-service",
            settings.classification_url,
            frozenset({"classify"}),
            timeout=120,
            body_limit=64 * MIB,
            rate_class="heavy",
        ),
        Route(
            "/v1/agents",
            "mcp-server",
            settings.mcp_url,
            frozenset({"tools:call", "workflows:deploy"}),
            timeout=60,
            body_limit=4 * MIB,
            rate_class="heavy",
        ),
        *(
            Route(f"/v1/{name}", name, address, frozenset({name}), timeout=30, body_limit=16 * MIB)
            for name, address in settings.more_services.items()
        ),
    )
