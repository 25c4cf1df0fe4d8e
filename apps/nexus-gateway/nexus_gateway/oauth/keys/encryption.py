"""Encryption of private keys for storage: a JWE (RFC 7516) by a key derived from the secret file."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from nexus_gateway.oauth.keys.errors import ForeignKeyError
from nexus_gateway.oauth.keys.signing_key import SigningKey

_ALGORITHMS = ["dir", "A256GCM"]
_PURPOSE = b"nexus-gateway: encryption of signing keys"
_KEY_BYTES = 32


class KeyEncryption:
    """Encrypts private keys by HKDF-SHA256 (RFC 5869) of the key in the secret file, which is called `file_key`."""

    def __init__(self, file_key: SigningKey) -> None:
        self.file_key = file_key
        derived = HKDF(SHA256(), _KEY_BYTES, salt=None, info=_PURPOSE).derive(file_key.secret)
        self._key = OctKey.import_key(derived)

    def encrypt(self, key: SigningKey) -> str:
        """The private key as a JWE in compact form; its header names the file's key."""
        header = {"alg": "dir", "enc": "A256GCM", "kid": self.file_key.kid}
        return jwe.encrypt_compact(header, key.secret, self._key, algorithms=_ALGORITHMS)

    def decrypt(self, kid: str, encrypted: str) -> SigningKey:
        """The key `kid`; raises ForeignKeyError when another secret file encrypted it, or it is another key."""
        try:
            secret = jwe.decrypt_compact(encrypted, self._key, algorithms=_ALGORITHMS).plaintext
            key = SigningKey(Ed25519PrivateKey.from_private_bytes(secret or b""))
        except (JoseError, ValueError):
            raise ForeignKeyError(kid, self.file_key.kid) from None
        if key.kid != kid:
            raise ForeignKeyError(kid, self.file_key.kid)
        return key
