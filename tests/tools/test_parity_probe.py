"""The parity tool's probe: which answer of /health it takes for the one to compare, and a worker's heartbeat."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from nexusctl.parity import probe

OK = {"checks": {"store": {"latency_ms": 1.5, "status": "ok"}}, "status": "ok"}
DEGRADED = {"checks": {"store": {"latency_ms": 9.5, "status": "failed"}}, "status": "degraded"}
OK_BODY = '{"checks": {"store": {"status": "ok"}}, "status": "ok"}'
DEGRADED_BODY = '{"checks": {"store": {"status": "failed"}}, "status": "degraded"}'


@contextmanager
def service(*answers: tuple[int, object]) -> Iterator[dict[str, str]]:
    """Give status and document of one answer after another, the last one from then on; give the service's environment."""
    to_come = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, document = to_come.pop(0) if len(to_come) > 1 else to_come[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield {"PORT": str(server.server_port)}
        server.shutdown()


@pytest.mark.parametrize(
    "answers",
    [[(200, OK)], [(503, DEGRADED), (200, OK)], [(200, DEGRADED), (200, DEGRADED), (200, OK)]],
    ids=["at once", "not ready at first", "a neighbour that is restarting"],
)
def test_the_answer_is_the_one_once_all_is_well(answers: list[tuple[int, object]]) -> None:
    with service(*answers) as environment:
        assert probe.health(environment, 10) == {"status": "200", "body": OK_BODY}


@pytest.mark.parametrize("status", [200, 503])
def test_what_stays_unwell_is_told_as_it_is(status: int) -> None:
    with service((status, DEGRADED)) as environment:
        assert probe.health(environment, 0.2) == {"status": str(status), "body": DEGRADED_BODY}


def test_another_form_of_body_is_taken_at_once() -> None:
    with service((200, ["fine"]), (200, ["later"])) as environment:
        assert probe.health(environment, 10) == {"status": "200", "body": '["fine"]'}


def test_image_that_tells_no_port_has_no_answer() -> None:
    assert probe.health({}, 10) == {}


WORKER = {"NEXUS_HEARTBEAT_SECONDS": "30", "PORT": "1"}


@pytest.fixture
def heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The heartbeat file of a worker."""
    monkeypatch.setattr(probe, "_HEARTBEAT", tmp_path / "heartbeat")
    return tmp_path / "heartbeat"


def test_a_worker_is_asked_for_its_heartbeat_and_not_at_a_port(heartbeat: Path) -> None:
    heartbeat.touch()
    assert probe.health(WORKER, 10) == {"status": "beating", "body": ""}


@pytest.mark.parametrize("age", [None, 60], ids=["no file", "old file"])
def test_a_worker_without_heartbeat(heartbeat: Path, age: int | None) -> None:
    if age:
        heartbeat.touch()
        os.utime(heartbeat, (time.time() - age,) * 2)
    assert probe.health(WORKER, 0.2) == {"status": "none", "body": ""}
