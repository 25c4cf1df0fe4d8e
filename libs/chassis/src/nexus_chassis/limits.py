"""Limits of one worker process, derived from the memory that a service's container has.

A request costs memory while it runs: its body, the Python objects made from it, and its answer. The defaults keep the
largest permitted requests, as many at once as are admitted, below half of a container of 512 MiB.
"""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB

SMALL_BODY_BYTES = 64 * KIB
"""A body up to this size is read without a reservation from `Limits.body_bytes`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a worker process admits.

    `running` requests run at once, `waiting` more wait up to `wait_seconds`. One principal has at most `principal_running`
    requests in flight. Bodies above SMALL_BODY_BYTES share `body_bytes`, of which one principal gets at most half.
    `websockets` connections are open at once.
    """

    running: int = 256
    waiting: int = 4096
    wait_seconds: float = 10.0
    principal_running: int = 2048
    body_bytes: int = 8 * MIB
    websockets: int = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonLimits:
    """What one JSON text may hold: nested containers, values in all, members of one object."""

    depth: int = 64
    values: int = 100_000
    members: int = 1000


MAX_FAULTS = 10
"""Faults that an answer names."""
