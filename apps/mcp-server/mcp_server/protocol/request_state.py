"""The state that a client carries from one round of a request to the next: sealed, and bound to who sent which request."""

import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidTag
from pydantic_core import to_json

from mcp_server.protocol.errors import INVALID_PARAMS, RpcError
from mcp_server.protocol.messages import Params
from mcp_server.protocol.sealing import NONCE_BYTES, Sealer

LIFETIME_SECONDS = 600
MAX_LENGTH = 65_536
"""Characters of a sealed state."""

_PER_ROUND = frozenset({"_meta", "inputResponses", "requestState"})


@dataclass(frozen=True, slots=True)
class RoundState:
    """The opened state of a round. `round_id` is the same each time it is sent; `expires_at` is in seconds since 1970."""

    round_id: str
    expires_at: float
    value: Any


class StateSealer:
    """Seals with a secret that all replicas share."""

    def __init__(self, secret: str) -> None:
        self._sealer = Sealer(secret, b"nexus mcp-server requestState")

    def seal(self, value: Any, bound_to: bytes) -> str:  # noqa: ANN401  any JSON value
        """Return `value` for the client, of use for LIFETIME_SECONDS in requests with the same `bound_to`.

        Raises:
            ValueError: It is longer than MAX_LENGTH.
        """
        text = to_json({"value": value, "expires": time.time() + LIFETIME_SECONDS})
        sealed = urlsafe_b64encode(self._sealer.seal(text, bound_to)).decode()
        if len(sealed) > MAX_LENGTH:
            raise ValueError(f"The state has {len(sealed)} characters; at most {MAX_LENGTH} are allowed")
        return sealed

    def open(self, sealed: str, bound_to: bytes) -> RoundState:
        """Return the state that `seal` made.

        Raises:
            RpcError: -32602, it is not of this server, of another request or client, or too old.
        """
        try:
            raw = _decode(sealed)
            text = json.loads(self._sealer.open(raw, bound_to))
        except (ValueError, InvalidTag):
            raise RpcError(
                INVALID_PARAMS, "params.requestState is not what this server sent for this request"
            ) from None
        if text["expires"] < time.time():
            raise RpcError(INVALID_PARAMS, "params.requestState has expired; send the request without it")
        return RoundState(raw[:NONCE_BYTES].hex(), text["expires"], text["value"])


def _decode(sealed: str) -> bytes:
    raw = urlsafe_b64decode(sealed) if len(sealed) <= MAX_LENGTH else b""
    if urlsafe_b64encode(raw).decode() != sealed:  # the decoder skips what is no base64, and a state has one form
        raise ValueError(sealed)
    return raw


def binding(subject: str, client_id: str, method: str, params: Params) -> bytes:
    """Return what a state is bound to: who sends it, and all of the request but what differs between rounds."""
    same = {name: value for name, value in params.items() if name not in _PER_ROUND}
    return sha256(json.dumps([subject, client_id, method, same], sort_keys=True).encode()).digest()
