"""Refresh tokens: `SESSION.SECRET`, each used once.

The secret ends with a tag made with a key of the session, so that a token that was issued once is told from one that
somebody made up who knows the session's id: only the former, used again, ends the session. A token's successor is made
from the token itself and a nonce that the session keeps until the next rotation: a repetition returns the same one, though
only hashes of tokens are stored.
"""

import base64
import hashlib
import hmac
import secrets

_SECRET_BYTES = 32
_TAG_BYTES = 16


def new_key() -> str:
    """A key for the tags of one session, or a nonce for one rotation."""
    return secrets.token_hex(16)


def first_token(session: str, key: str) -> str:
    """The refresh token that a session begins with."""
    return _token(session, secrets.token_bytes(_SECRET_BYTES), key)


def successor(token: str, nonce: str, key: str) -> str:
    """The token that replaces `token`; it cannot be found without both the token and the nonce."""
    return _token(session_of(token), _mac(nonce, token), key)


def session_of(token: str) -> str:
    """Id of the session that a token says it belongs to."""
    return token.partition(".")[0]


def is_genuine(token: str, key: str) -> bool:
    """Whether the token was issued for its session, now or before."""
    try:
        secret = base64.urlsafe_b64decode(token.partition(".")[2])[:_SECRET_BYTES]
    except ValueError:
        return False
    return hmac.compare_digest(_token(session_of(token), secret, key).encode(), token.encode())


def token_hash(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _token(session: str, secret: bytes, key: str) -> str:
    tag = _mac(key, f"{session}.{secret.hex()}")[:_TAG_BYTES]
    return f"{session}.{base64.urlsafe_b64encode(secret + tag).decode()}"


def _mac(key: str, text: str) -> bytes:
    return hmac.digest(key.encode(), text.encode(), "sha256")
