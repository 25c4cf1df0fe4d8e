import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from conftest import SCOPES
from mcp_clients import NO_TOKEN, text_of_failure
from stack import SECRET, Misbehaviour, Stack, answering, hang_up

from mcp_server.upstream.token_exchange import SPARE_SECONDS, TokenExchange
from nexus_chassis.http import create_http_session
from nexus_chassis.tokens import Principal
from nexus_testkit import Issuer

REFUSAL = '{"error": "invalid_grant", "error_description": "The session has ended."}'


@pytest.mark.parametrize(
    ("misbehaviour", "reason"),
    [
        pytest.param(
            answering(400, REFUSAL),
            "it refuses a token for classification-service (400): invalid_grant: The session has ended",
            id="refusal",
        ),
        pytest.param(
            answering(401, '{"error": "invalid_client"}'),
            "it refuses the credentials of mcp-server itself; whoever runs the stack must fix that",
            id="own credentials",
        ),
        pytest.param(answering(200, "oops", "text/plain"), "its answer is not JSON", id="no JSON"),
        pytest.param(answering(200, "{}"), "its answer has no access_token and expires_in", id="no token"),
        pytest.param(hang_up, "it could not be reached (ServerDisconnectedError)", id="hangs up"),
    ],
)
async def test_a_failing_exchange_is_reported_to_the_agent(
    client: aiohttp.ClientSession, stack: Stack, misbehaviour: Misbehaviour, reason: str
) -> None:
    stack.misbehave["/oauth/token"] = misbehaviour
    assert await text_of_failure(client) == NO_TOKEN.format(reason)
    assert "/v1/classify" not in stack.requests


@pytest.fixture
async def tokens(stack: Stack) -> AsyncIterator[TokenExchange]:
    """A token exchange of its own."""
    async with create_http_session() as session:
        yield TokenExchange(session, stack.url, "mcp-server", SECRET)


def _principal(token: str) -> Principal:
    return Principal("alice", "tests", frozenset(SCOPES), token, 2**40, "jti")


async def test_calls_at_the_same_time_share_one_exchange(tokens: TokenExchange, stack: Stack, token: str) -> None:
    stack.exchange_delay = 0.1
    asked = [tokens.token(_principal(token), "classification-service", "classify") for _ in range(20)]
    assert len(set(await asyncio.gather(*asked))) == 1
    assert len(stack.requests["/oauth/token"]) == 1


async def test_each_caller_and_audience_has_a_token_of_its_own(
    tokens: TokenExchange, stack: Stack, issuer: Issuer
) -> None:
    alice, bob = (_principal(issuer.mint("mcp-server", SCOPES, subject=name)) for name in ("alice", "bob"))
    got = [
        await tokens.token(alice, "classification-service", "classify"),
        await tokens.token(bob, "classification-service", "classify"),
        await tokens.token(alice, "dataflow-service", "data:read"),
    ]
    assert len(set(got)) == 3
    assert len(stack.requests["/oauth/token"]) == 3


async def test_a_token_near_its_end_is_exchanged_anew(tokens: TokenExchange, stack: Stack, token: str) -> None:
    stack.lifetime = SPARE_SECONDS
    for _ in range(2):
        await tokens.token(_principal(token), "classification-service", "classify")
    assert len(stack.requests["/oauth/token"]) == 2


async def test_a_caller_who_leaves_does_not_spoil_the_exchange_for_others(
    tokens: TokenExchange, stack: Stack, token: str
) -> None:
    stack.exchange_delay = 0.1
    leaves, stays = (
        asyncio.create_task(tokens.token(_principal(token), "classification-service", "classify")) for _ in range(2)
    )
    await asyncio.sleep(0.02)
    leaves.cancel()
    assert await stays
