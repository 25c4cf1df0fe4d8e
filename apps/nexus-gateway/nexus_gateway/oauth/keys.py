"""The key that signs the access tokens."""

from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from nexus_chassis.errors import ConfigurationError
from nexus_chassis.settings import read_secret
from nexus_chassis.tokens import ALGORITHM, TOKEN_TYPE

_SETTING = "NEXUS_SIGNING_KEY_FILE"


class SigningKey:
    """An Ed25519 private key; its id is its thumbprint (RFC 7638)."""

    def __init__(self, pem: str) -> None:
        key = OKPKey.import_key(pem)
        if key.curve_name != "Ed25519" or not key.is_private:
            raise ValueError("not an Ed25519 private key")
        self._kid = key.thumbprint()
        self._key = OKPKey.import_key(pem, {"kid": self._kid, "alg": ALGORITHM, "use": "sig"})

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """The key in a PKCS#8 PEM file; raises ConfigurationError when the file holds something else."""
        try:
            return cls(read_secret(path, _SETTING))
        except (ValueError, TypeError, JoseError):
            raise ConfigurationError(
                f"The file {path} holds no Ed25519 private key in PKCS#8 PEM form. "
                f"Make one with: openssl genpkey -algorithm ed25519 -out FILE, and point {_SETTING} at it."
            ) from None

    @property
    def jwks(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set (RFC 7517)."""
        return {"keys": [self._key.as_dict(private=False)]}

    def sign(self, claims: dict[str, Any]) -> str:
        """An access token (RFC 9068) with these claims."""
        header = {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": self._kid}
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])
