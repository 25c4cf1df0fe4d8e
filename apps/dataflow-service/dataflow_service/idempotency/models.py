"""Requests that may be repeated, and their answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

JSON: Mapping[str, str] = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request with a key of its client. Requests with the same digest ask for the same."""

    subject: str
    key: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, with the header fields that belong to its content."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
