"""Seals the tokens of callers for as long as their runs are kept open: whoever reads the database has no use of them."""

from secrets import token_bytes

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12


class TokenSealer:
    """Seals with a key made from a secret that all replicas share (AES-256-GCM, RFC 5116; HKDF, RFC 5869)."""

    def __init__(self, secret: str) -> None:
        derive = HKDF(SHA256(), 32, salt=None, info=b"nexus mcp-server token of a run")
        self._cipher = AESGCM(derive.derive(secret.encode()))

    def seal(self, token: str, run_id: str) -> bytes:
        """Return a token for one run."""
        nonce = token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, token.encode(), run_id.encode())

    def open(self, sealed: bytes, run_id: str) -> str:
        """Return the token; raises cryptography's InvalidTag for what was not sealed with this secret for this run."""
        return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], run_id.encode()).decode()
