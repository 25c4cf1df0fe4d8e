"""Requests that may be repeated, and their answers."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

JSON: Mapping[str, str] = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request with a key of its client. Requests with the same digest ask for the same."""

    subject: str
    key: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class StreamAttempt:
    """A request with a key whose body is read in parts: its digest is known once the body has been read."""

    subject: str
    key: str
    hash: "_Hash"

    @property
    def digest(self) -> bytes:
        """The digest of what has been read."""
        return self.hash.digest()


async def hashed(parts: AsyncIterator[bytes], digest: "_Hash") -> AsyncGenerator[bytes]:
    """Yield the parts of a body as they are read, and add them to a digest."""
    async for part in parts:
        digest.update(part)
        yield part


@dataclass(frozen=True, slots=True)
class Kept:
    """The answer to an earlier request with a key, and the digest of that request."""

    digest: bytes
    answer: "Answer"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, with the header fields that belong to its content."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
