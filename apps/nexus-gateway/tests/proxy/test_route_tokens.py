"""What the token of a routed request says: the same person, session and tenant, and the gateway as the latest actor."""

from nexus_chassis.tokens import Principal
from nexus_gateway.oauth.issuer import GATEWAY, claims_of


def test_it_keeps_the_tenant_the_session_with_its_epoch_and_the_chain_of_actors() -> None:
    principal = Principal(
        subject="ada",
        client_id="assistant",
        scopes=frozenset({"data:read"}),
        token="eyJ",
        expires_at=1_800_000_000,
        token_id="t",
        session="s",
        session_epoch=7,
        actor=("mcp-server", "robot"),
        tenant="acme",
    )

    assert claims_of(principal, actor=GATEWAY) == {
        "sub": "ada",
        "client_id": "assistant",
        "sid": "s",
        "session_epoch": 7,
        "tenant": "acme",
        "act": {"sub": "nexus-gateway", "act": {"sub": "mcp-server", "act": {"sub": "robot"}}},
    }
