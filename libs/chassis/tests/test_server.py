import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parent / "fixtures"
START_SECONDS = 20


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Service:
    """The example service as a process."""

    def __init__(self, application: str, workers: int = 1, port: int | None = None) -> None:
        self.port, self.admin = port or free_port(), free_port()
        self.process = subprocess.Popen(
            [sys.executable, FIXTURES / "run_example.py", application],
            env=os.environ
            | {
                "HOST": "127.0.0.1",
                "PORT": str(self.port),
                "NEXUS_ADMIN_PORT": str(self.admin),
                "WEB_CONCURRENCY": str(workers),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def get(self, path: str, port: int | None = None) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}{path}", timeout=5) as response:
            return str(response.read().decode())

    def wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.get("/livez")
            except OSError:
                time.sleep(0.05)
            else:
                return
        pytest.fail(f"the service did not start: {self.stop()}")

    def stop(self) -> tuple[int, list[str], str]:
        """Ask it to end; gives exit status, messages of its log, and stderr."""
        self.process.terminate()
        return self.outcome()

    def outcome(self) -> tuple[int, list[str], str]:
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, [json.loads(line)["message"] for line in out.splitlines()], err


@pytest.fixture
def start() -> Iterator[Callable[..., Service]]:
    started: list[Service] = []

    def begin(application: str = "example_service:create_app", **options: int) -> Service:
        started.append(Service(application, **options))
        return started[-1]

    yield begin
    for service in started:
        if service.process.poll() is None:
            service.stop()


def test_sigterm_finishes_the_work_in_flight_and_exits_0(start: Callable[..., Service]) -> None:
    service = start()
    service.wait_until_it_answers()
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(service.get, "/slow")
        time.sleep(0.2)
        outcome = service.stop()

    assert answer.result() == '"done"'
    assert (outcome[0], outcome[2]) == (0, "")


def test_sigterm_closes_an_open_websocket_and_exits_0(start: Callable[..., Service]) -> None:
    service = start()
    service.wait_until_it_answers()
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.sendall(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert client.recv(4096).startswith(b"HTTP/1.1 101")
        service.process.terminate()
        assert client.recv(4096) == b"\x88\x02\x03\xf4"  # close 1012, service restart
        client.sendall(b"\x88\x82\0\0\0\0\x03\xf4")
        assert service.outcome()[0] == 0


def test_metrics_of_all_workers_are_on_the_admin_port_only(start: Callable[..., Service]) -> None:
    service = start(workers=2)
    service.wait_until_it_answers()
    for number in range(20):
        service.get(f"/things/{number}")

    wanted = 'http_requests_total{method="GET",route="/things/{number}",status="200"} 20.0'
    deadline = time.monotonic() + 5  # a request is counted just after its last byte
    while wanted not in (metrics := service.get("/metrics", service.admin)) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert wanted in metrics
    for path, port in (("/metrics", service.port), ("/", service.admin)):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            service.get(path, port)


def test_a_killed_worker_is_replaced(start: Callable[..., Service]) -> None:
    service = start()
    service.wait_until_it_answers()
    workers = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text("utf-8").split()
    os.kill(int(workers[0]), signal.SIGKILL)
    time.sleep(0.2)

    service.wait_until_it_answers()


def test_workers_do_not_outlive_their_supervisor(start: Callable[..., Service]) -> None:
    service = start()
    service.wait_until_it_answers()
    service.process.kill()

    assert service.outcome()[1:] == (["the supervisor is gone; the worker ends"], "")


def test_a_wrong_configuration_ends_with_78(start: Callable[..., Service]) -> None:
    status, messages, err = start("example_service:create_misconfigured_app").outcome()

    assert (status, messages[0], err) == (78, "The flux is not set. Set NEXUS_FLUX.", "")


def test_a_port_in_use_ends_with_78(start: Callable[..., Service]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        outcome = start(port=port).outcome()

    assert outcome == (
        78,
        [f"Cannot listen on 127.0.0.1:{port}: Address already in use. Free that port, or set PORT to another."],
        "",
    )
