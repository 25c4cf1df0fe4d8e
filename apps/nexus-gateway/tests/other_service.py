"""Another service, which verifies the gateway's tokens and follows what ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nexus_chassis.revocations import Revocations, follow_revocations
from nexus_chassis.tokens import InvalidTokenError, TokenVerifier


@asynccontextmanager
async def followed(gateway: str, audience: str = "dataflow-service") -> AsyncIterator[TokenVerifier]:
    """The verifier of the service with this audience."""
    revocations = Revocations()
    keys = f"{gateway}/.well-known/jwks.json"
    async with follow_revocations(f"{gateway}/oauth/revocations", revocations):
        yield TokenVerifier("http://localhost:8000", audience, keys, revocations=revocations)


async def until_refused(verifier: TokenVerifier, token: str) -> str:
    """Wait until a token is refused, which takes a second at most; returns the reason."""
    async with asyncio.timeout(3):
        while True:
            try:
                await verifier.verify(token)
            except InvalidTokenError as error:
                return str(error)
            await asyncio.sleep(0.02)
