"""Seals the tokens of callers for as long as their runs are kept open: whoever reads the database has no use of them."""

from mcp_server.protocol.sealing import Sealer


class TokenSealer:
    """Seals with a secret that all replicas share."""

    def __init__(self, secret: str) -> None:
        self._sealer = Sealer(secret, b"nexus mcp-server token of a run")

    def seal(self, token: str, run_id: str) -> bytes:
        """Return a token for one run."""
        return self._sealer.seal(token.encode(), run_id.encode())

    def open(self, sealed: bytes, run_id: str) -> str:
        """Return the token; raises cryptography's InvalidTag for what was not sealed with this secret for this run."""
        return self._sealer.open(sealed, run_id.encode()).decode()
