"""What recording an audit event costs the request that it is recorded for."""

import statistics
import time

import asyncpg

from nexus_chassis.connection_pool import ConnectionPool
from nexus_chassis.tokens import Principal
from nexus_chassis.unit_of_work import Database
from nexus_gateway.audit.models import AuditEvent
from nexus_gateway.audit.writer import AuditWriter

LIMIT_MICROSECONDS = 5
NOISE = 3
"""A time differs between machines, and other processes share their caches."""

PRINCIPAL = Principal("u1", "nexus", frozenset({"admin"}), "token", 2_000_000_000, "j", "s1", 3, ("mcp-server",))


async def nowhere() -> asyncpg.Connection:
    raise AssertionError("recording needs no connection")


def test_recording_takes_at_most_5_microseconds() -> None:
    audit = AuditWriter(Database(ConnectionPool(nowhere, 1)))
    rounds = []
    for _ in range(20):
        began = time.thread_time()
        for _ in range(400):
            event = AuditEvent.by(PRINCIPAL, "request.forward", target="POST /v1/data/product", address="192.0.2.1")
            audit.record(event)
        rounds.append((time.thread_time() - began) / 400 * 1e6)

    taken = statistics.median(rounds)
    print(f"figure: recording an audit event: {taken:.1f} us (<= {LIMIT_MICROSECONDS})")
    assert taken <= NOISE * LIMIT_MICROSECONDS
