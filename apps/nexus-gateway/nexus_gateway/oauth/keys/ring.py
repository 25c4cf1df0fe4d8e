"""The signing keys that a process knows: what it signs with, verifies by and publishes."""

import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from nexus_chassis.issuer_keys import keys_unavailable
from nexus_chassis.jose import InvalidTokenError, read_keys
from nexus_gateway.metrics import KEY_CREATED, KEYS_READ
from nexus_gateway.oauth.keys.encryption import KeyEncryption
from nexus_gateway.oauth.keys.errors import ForeignKeyError, SigningKeysUnavailableError
from nexus_gateway.oauth.keys.models import LEASE_SECONDS, KeySet, KeyState, StoredKey
from nexus_gateway.oauth.keys.signing_key import SigningKey


class KeyRing:
    """The keys as last read; `take` replaces them all at once.

    It signs only with a key that it knew to be the current one within LEASE_SECONDS: a worker that cannot read the keys,
    or not decrypt them, must stop before the others take its key for retired.
    """

    def __init__(self, encryption: KeyEncryption) -> None:
        self.encryption = encryption
        self._keys: KeySet | None = None
        self._jwks: dict[str, Any] = {}
        self._verifying: dict[str, Ed25519PublicKey] = {}
        self._signing: SigningKey | None = None
        self._fault = "The signing keys were not read yet."
        self._asked = self._confirmed = float("-inf")

    def take(self, keys: KeySet, asked: float) -> None:
        """Use these keys from now on, unless later ones were taken; `asked` is when they were read (`time.monotonic`)."""
        if asked < self._asked:
            return
        self._asked = asked
        KEYS_READ.set_to_current_time()
        if self._keys is None or self._fault or keys.keys != self._keys.keys:
            self._replace(keys)
        if not self._fault:
            self._confirmed = asked

    def _replace(self, keys: KeySet) -> None:
        self._keys, self._jwks = keys, keys.jwks
        self._verifying = read_keys(self._jwks)
        self._choose(keys.only(KeyState.CURRENT))
        for state in (KeyState.CURRENT, KeyState.NEXT):
            if (key := keys.only(state)) is not None:
                KEY_CREATED.labels(state).set(key.created.timestamp())

    def _choose(self, current: StoredKey | None) -> None:
        """Sign with the current key; where it cannot be had, with the one before, unless that was withdrawn."""
        try:
            self._signing, self._fault = self._decrypt(current), ""
        except (ForeignKeyError, SigningKeysUnavailableError) as error:
            self._fault = str(error)
            if self._signing is not None and self._signing.kid not in self._verifying:
                self._signing = None

    def _decrypt(self, current: StoredKey | None) -> SigningKey:
        if current is None or current.private is None:
            raise SigningKeysUnavailableError("There is no current signing key.")
        if self._signing is not None and self._signing.kid == current.kid:
            return self._signing
        return self.encryption.decrypt(current.kid, current.private)

    async def get(self, key_id: str) -> Ed25519PublicKey:
        """The public key by which tokens that name it are verified; raises InvalidTokenError or Problem 503."""
        if (key := self._verifying.get(key_id)) is not None:
            return key
        if self._keys is None:
            raise keys_unavailable()
        raise InvalidTokenError("it is signed with a key that the issuer does not publish")

    def withdraw(self, key_id: str) -> None:
        """Neither verify nor sign by this key any longer: the next one signs until the keys are read again."""
        self._verifying.pop(key_id, None)
        if self._keys is not None and self._signing is not None and self._signing.kid == key_id:
            self._choose(self._keys.only(KeyState.NEXT))

    @property
    def jwks(self) -> dict[str, Any]:
        """The public keys as a JSON Web Key Set (RFC 7517); raises SigningKeysUnavailableError."""
        if self._keys is None:
            raise SigningKeysUnavailableError(self._fault)
        return self._jwks

    @property
    def signing_kid(self) -> str:
        """The id of the key that signs; raises SigningKeysUnavailableError."""
        return self._signing_key().kid

    def sign(self, claims: dict[str, Any]) -> str:
        """An access token (RFC 9068) with these claims; raises SigningKeysUnavailableError."""
        return self._signing_key().sign(claims)

    async def check(self) -> None:
        """Raise SigningKeysUnavailableError unless tokens are signed with the current key; for a health check."""
        self._signing_key()
        if self._fault:
            raise SigningKeysUnavailableError(self._fault)

    def _signing_key(self) -> SigningKey:
        if self._signing is None:
            raise SigningKeysUnavailableError(self._fault)
        if time.monotonic() - self._confirmed > LEASE_SECONDS:
            raise SigningKeysUnavailableError(f"The signing keys were not read for {LEASE_SECONDS} s. {self._fault}")
        return self._signing
