"""A stream of many rows through the gateway of a running stack, with the log of changes, its relay, and the audit."""

import json
import statistics
import time
from collections.abc import Iterable

import httpx
import pytest
from harness.figures import Figures
from harness.proofs import STACK_INPUTS, proof
from harness.stack import Stack, login

ROWS = 100_000
ROUNDS = 3
RATE = 25_000
BULK = "/v1/data/supplier/bulk"

pytestmark = [
    proof("bulk through the gateway", *STACK_INPUTS),
    pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session"),
]


def ndjson(rows: Iterable[dict[str, str]]) -> bytes:
    """Rows as lines of JSON."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def write(client: httpx.Client, path: str, body: bytes) -> dict[str, int]:
    """Send rows; returns how many were changed in each way."""
    answer = client.post(path, content=body, headers={"Content-Type": "application/x-ndjson"}, timeout=600)
    assert answer.is_success, answer.text
    changed: dict[str, int] = answer.json()
    return changed


def test_rows_stream_through_the_gateway_at_the_promised_rate(stack: Stack, figures: Figures) -> None:
    numbers = range(ROWS)
    made = ndjson(
        {
            "id": f"S-{number}",
            "name": f"Norm & Co {number}",
            "country": "DE",
            "website": "https://example.com/catalogue",
        }
        for number in numbers
    )
    ids = ndjson({"id": f"S-{number}"} for number in numbers)
    rounds = []
    with login(stack) as client:
        for _ in range(ROUNDS):
            latest = client.get("/v1/data/changes?after=latest").json()["next"]
            began = time.monotonic()
            assert write(client, BULK, made) == {"created": ROWS}
            rounds.append(time.monotonic() - began)
            (logged,) = client.get(f"/v1/data/changes?after={latest}&limit=1").json()["items"]
            assert (logged["op"], logged["model"]) == ("create", "supplier")
            assert write(client, f"{BULK}?operation=delete", ids) == {"deleted": ROWS}

    took = statistics.median(rounds)
    figures.note("rows per second of a stream through the gateway", f"{ROWS / took:.0f}")
    figures.seconds(f"{ROWS:,} rows through the gateway", took, ROWS / RATE)
