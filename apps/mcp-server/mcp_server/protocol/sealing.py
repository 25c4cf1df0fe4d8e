"""What others keep for this server, sealed: they can neither read nor change it."""

from secrets import token_bytes

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
"""Bytes at the beginning of what is sealed, which differ each time."""


class Sealer:
    """Seals for one purpose, with a key made from a secret that all replicas share (AES-256-GCM, RFC 5116; HKDF, RFC 5869)."""

    def __init__(self, secret: str, purpose: bytes) -> None:
        self._cipher = AESGCM(HKDF(SHA256(), 32, salt=None, info=purpose).derive(secret.encode()))

    def seal(self, plain: bytes, bound_to: bytes) -> bytes:
        """Return `plain`, sealed; `bound_to` is needed again to open it."""
        nonce = token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        """Return what was sealed; raises cryptography's InvalidTag, or ValueError, for anything else."""
        return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)
