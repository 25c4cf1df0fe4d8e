"""What is recorded, and how the rows of the log are chained."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, Self

from nexus_chassis.principal import Principal

type Outcome = Literal["success", "refused", "failed"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FORMAT = "nexus-audit-1"
_MAX_NAME = 512  # characters; an index of PostgreSQL takes 2704 bytes


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something that somebody did, or tried to.

    `subject` is who it was done for, `actors` who acted for the subject, the current one first. `target` is what it was
    done to, `address` where the request came from. `detail` holds what else is worth knowing, never a secret.
    """

    action: str
    outcome: Outcome = "success"
    subject: str | None = None
    actors: tuple[str, ...] = ()
    client_id: str | None = None
    tenant: str | None = None
    session: str | None = None
    target: str | None = None
    address: str | None = None
    detail: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def by(
        cls,
        principal: Principal,
        action: str,
        outcome: Outcome = "success",
        *,
        target: str | None = None,
        address: str | None = None,
        detail: Mapping[str, str] | None = None,
    ) -> Self:
        """What a principal did, with the whole chain of those who act for it."""
        return cls(
            action,
            outcome,
            principal.subject,
            principal.actor,
            principal.client_id,
            principal.tenant,
            principal.session,
            target,
            address,
            detail or {},
        )


class Head(NamedTuple):
    """The last row of the log: its number, which is 0 for an empty log, and its hash."""

    seq: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"


START = Head(0, bytes(32))
"""What the first row follows."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A row of the log: an event with its place in the chain."""

    seq: int
    at: datetime
    event: AuditEvent
    hash: bytes

    @property
    def head(self) -> Head:
        """What the next row follows."""
        return Head(self.seq, self.hash)


class Recorded(NamedTuple):
    """An event that happened at a time, in seconds since 1970."""

    at: float
    event: AuditEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which rows are wanted; None means all. A `tenant` sees no rows of others."""

    tenant: str | None = None
    action: str | None = None
    subject: str | None = None
    outcome: Outcome | None = None


def chain(head: Head, records: Iterable[Recorded]) -> list[AuditEntry]:
    """The rows that follow `head`."""
    entries = []
    for record in records:
        event, at = storable(record.event), datetime.fromtimestamp(record.at, UTC)
        seq = head.seq + 1
        head = Head(seq, entry_hash(head.hash, seq, at, event))
        entries.append(AuditEntry(seq, at, event, head.hash))
    return entries


def entry_hash(previous: bytes, seq: int, at: datetime, event: AuditEvent) -> bytes:
    """SHA-256 over the hash of the row before and the row as a JSON array, its object's names sorted, without blanks."""
    row = [
        _FORMAT,
        seq,
        (at - _EPOCH) // _MICROSECOND,
        event.action,
        event.outcome,
        event.tenant,
        event.subject,
        list(event.actors),
        event.client_id,
        event.session,
        event.target,
        event.address,
        dict(event.detail),
    ]
    return hashlib.sha256(previous + json.dumps(row, sort_keys=True, separators=(",", ":")).encode()).digest()


def storable(event: AuditEvent) -> AuditEvent:
    """The event with texts that PostgreSQL takes and can index: short, without NUL and lone surrogates."""
    return AuditEvent(
        _name(event.action),
        event.outcome,
        _optional(event.subject),
        tuple(map(_name, event.actors)),
        _optional(event.client_id),
        _optional(event.tenant),
        _optional(event.session),
        None if event.target is None else _text(event.target),
        _optional(event.address),
        {_text(name): _text(value) for name, value in event.detail.items()},
    )


def _text(text: str) -> str:
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _name(text: str) -> str:
    return _text(text[:_MAX_NAME])


def _optional(text: str | None) -> str | None:
    return None if text is None else _name(text)
