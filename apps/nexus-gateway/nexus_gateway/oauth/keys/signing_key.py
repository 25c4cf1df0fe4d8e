"""A key that signs access tokens."""

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from nexus_chassis.errors import ConfigurationError
from nexus_chassis.settings import read_secret
from nexus_chassis.tokens import ALGORITHM, TOKEN_TYPE

_SETTING = "NEXUS_SIGNING_KEY_FILE"


class SigningKey:
    """An Ed25519 private key; its id is its thumbprint (RFC 7638)."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self.secret = private.private_bytes_raw()
        self.public = private.public_key()
        self.kid = OKPKey.import_key(private).thumbprint()
        self._key = OKPKey.import_key(private, {"kid": self.kid, "alg": ALGORITHM, "use": "sig"})

    @classmethod
    def generate(cls) -> "SigningKey":
        """A new key; its id does not begin with a hyphen, which command lines would take for an option."""
        while (key := cls(Ed25519PrivateKey.generate())).kid.startswith("-"):
            pass
        return key

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """The key in a PKCS#8 PEM file; raises ConfigurationError when the file holds something else."""
        try:
            return cls(_read_pem(read_secret(path, _SETTING)))
        except (ValueError, TypeError, JoseError):
            raise ConfigurationError(
                f"The file {path} holds no Ed25519 private key in PKCS#8 PEM form. "
                f"Make one with: openssl genpkey -algorithm ed25519 -out FILE, and point {_SETTING} at it."
            ) from None

    def sign(self, claims: dict[str, Any]) -> str:
        """An access token (RFC 9068) with these claims."""
        header = {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": self.kid}
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])


def _read_pem(pem: str) -> Ed25519PrivateKey:
    private = OKPKey.import_key(pem).private_key
    if not isinstance(private, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 private key")  # noqa: TRY004  as for any other wrong content
    return private
