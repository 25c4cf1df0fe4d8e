"""Tokens that the gateway makes once and uses for several requests to a service."""

import asyncpg
import pytest

from nexus_chassis.jose import read_token
from nexus_gateway.app import create_app
from nexus_gateway.oauth.keys.models import PUBLISHED_BEFORE
from nexus_testkit import serving

SERVICE = "dataflow-service"


async def test_those_of_a_withdrawn_key_are_not_used_again(environment: pytest.MonkeyPatch, postgres_url: str) -> None:
    environment.delenv("NEXUS_ROUTES", raising=False)
    app = create_app()
    async with serving(app):
        issuer, keys = app.state.context.issuer, app.state.context.administration.signing_keys
        claims = {"sub": "alice", "client_id": "nexus"}
        principal = await issuer.gateway_verifier.verify(issuer.issue(claims, "nexus-gateway", ["data:read"]).token)
        connection = await asyncpg.connect(postgres_url)
        await connection.execute("UPDATE signing_keys SET created_at = created_at - $1::interval", PUBLISHED_BEFORE)
        await connection.close()
        leaked = await keys.rotate()
        before = issuer.issue_route_token(principal, SERVICE)
        await keys.withdraw(leaked)
        after = issuer.issue_route_token(principal, SERVICE)

        assert read_token(before, "at+jwt").key_id == leaked != read_token(after, "at+jwt").key_id
        assert (await issuer.verifier(SERVICE).verify(after)).subject == "alice"
        assert issuer.issue_route_token(principal, SERVICE) == after
