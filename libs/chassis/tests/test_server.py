import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nexus_chassis import server
from nexus_chassis.settings import ServiceSettings
from nexus_chassis.worker_count import automatic_workers
from nexus_testkit.process import ServiceProcess

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def start() -> Iterator[Callable[..., ServiceProcess]]:
    started: list[ServiceProcess] = []

    def begin(application: str = "example_service:create_app", **variables: object) -> ServiceProcess:
        environment = {name: str(value) for name, value in variables.items()}
        started.append(ServiceProcess([FIXTURES / "run_example.py", application], environment))
        return started[-1]

    yield begin
    for service in started:
        if service.process.poll() is None:
            service.stop()


def test_sigterm_finishes_the_work_in_flight_and_exits_0(start: Callable[..., ServiceProcess]) -> None:
    service = start()
    service.wait_until_it_answers()
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(service.get, "/slow")
        time.sleep(0.2)
        outcome = service.stop()

    assert answer.result() == '"done"'
    assert (outcome[0], outcome[2]) == (0, "")


def test_a_name_that_is_looked_up_in_vain_does_not_delay_the_end(start: Callable[..., ServiceProcess]) -> None:
    service = start()
    service.wait_until_it_answers()
    service.get("/background-thread")
    began = time.monotonic()

    assert service.stop()[0] == 0
    assert time.monotonic() - began < 5


def test_sigterm_closes_an_open_websocket_and_exits_0(start: Callable[..., ServiceProcess]) -> None:
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


def test_metrics_of_all_workers_are_on_the_admin_port_only(start: Callable[..., ServiceProcess]) -> None:
    service = start(WEB_CONCURRENCY=2)
    service.wait_until_it_answers()
    for number in range(20):
        service.get(f"/things/{number}")

    wanted = 'http_requests_total{method="GET",route="/things/{number}",status="200"} 20.0'
    deadline = time.monotonic() + 5  # a request is counted just after its last byte
    while wanted not in (metrics := service.get("/metrics", service.admin_port)) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert wanted in metrics
    for path, port in (("/metrics", service.port), ("/", service.admin_port)):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            service.get(path, port)


def test_auto_starts_the_workers_that_suit_the_machine(start: Callable[..., ServiceProcess]) -> None:
    service = start(WEB_CONCURRENCY="auto")
    service.wait_until_it_answers()
    time.sleep(0.5)
    workers = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text("utf-8").split()

    assert len(workers) == automatic_workers()


def test_the_admin_listener_has_its_own_address(start: Callable[..., ServiceProcess]) -> None:
    service = start(NEXUS_ADMIN_HOST="127.0.0.2")
    service.wait_until_it_answers()

    with socket.create_connection(("127.0.0.2", service.admin_port)), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", service.admin_port))


def test_a_killed_worker_is_replaced(start: Callable[..., ServiceProcess]) -> None:
    service = start()
    service.wait_until_it_answers()
    workers = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text("utf-8").split()
    os.kill(int(workers[0]), signal.SIGKILL)
    time.sleep(0.2)

    service.wait_until_it_answers()


def test_workers_do_not_outlive_their_supervisor(start: Callable[..., ServiceProcess]) -> None:
    service = start()
    service.wait_until_it_answers()
    service.process.kill()

    _, log, err = service.outcome()
    assert ([entry["message"] for entry in log[1:]], err) == (["the supervisor is gone; the worker ends"], "")


def test_a_wrong_configuration_ends_with_78(start: Callable[..., ServiceProcess]) -> None:
    status, log, err = start("example_service:create_misconfigured_app").outcome()

    assert (status, log[0]["message"], err) == (78, "The flux is not set. Set NEXUS_FLUX.", "")


def test_several_workers_that_give_up_end_with_78(start: Callable[..., ServiceProcess]) -> None:
    for _ in range(3):  # the second may give up while the supervisor stops because of the first
        status, log, err = start("example_service:create_misconfigured_app", WEB_CONCURRENCY=6).outcome()
        assert (status, log[0]["message"], err) == (78, "The flux is not set. Set NEXUS_FLUX.", "")


def test_a_port_in_use_ends_with_78(start: Callable[..., ServiceProcess]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, log, err = start(PORT=port).outcome()

    assert (status, [entry["message"] for entry in log], err) == (
        78,
        [f"Cannot listen on 127.0.0.1:{port}: Address already in use. Free that port, or set PORT to another."],
        "",
    )


@pytest.mark.parametrize("setting", ["HOST", "NEXUS_ADMIN_HOST"])
def test_an_address_of_another_machine_ends_with_78(start: Callable[..., ServiceProcess], setting: str) -> None:
    service = start(**{setting: "192.0.2.1"})
    status, log, err = service.outcome()

    message = (
        f"Cannot listen on 192.0.2.1:{service.admin_port}: Cannot assign requested address. "
        f"Set {setting} to an address of this machine."
    )
    assert (status, [entry["message"] for entry in log], err) == (78, [message], "")


def test_of_a_name_that_replicas_share_the_own_address_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(_host: str, port: int, *_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("192.0.2.1", "127.0.0.2")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    settings = ServiceSettings(admin_host="replicas", admin_port=0)
    with server.listen_for_admin(settings) as listener:
        assert listener.getsockname()[0] == "127.0.0.2"


def test_after_sigterm_the_service_goes_on_serving_while_it_is_not_ready(start: Callable[..., ServiceProcess]) -> None:
    service = start(NEXUS_DRAIN_SECONDS=3)
    service.wait_until_it_answers()
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.sendall(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert client.recv(4096).startswith(b"HTTP/1.1 101")
        service.process.terminate()
        time.sleep(0.3)
        with urllib.request.urlopen(f"{service.url}/things/7", timeout=5) as response:  # noqa: S310  the test's own
            assert (response.status, response.headers["Connection"]) == (200, "close")
        with pytest.raises(urllib.error.HTTPError, match="503"):
            service.get("/readyz")
        service.get("/livez")
    assert service.outcome()[0] == 0


def test_a_service_listens_on_all_addresses_of_both_kinds(start: Callable[..., ServiceProcess]) -> None:
    service = start(HOST="::")
    service.wait_until_it_answers()  # at 127.0.0.1: health probes ask there

    assert json.loads(service.get("/health", service.admin_port))["service"] == "example"
    assert "serves at http://[::]:" in service.stop()[1][0]["message"]


def test_a_certificate_that_cannot_be_used_stops_the_start(
    start: Callable[..., ServiceProcess], tmp_path: Path
) -> None:
    path = tmp_path / "tls.pem"
    path.write_text("none")
    status, entries, _ = start(NEXUS_TLS_CERT_FILE=path, NEXUS_TLS_KEY_FILE=path).outcome()

    expected = (
        f"The certificate {path} and the key {path} cannot be used: [SSL] PEM lib. "
        "Point NEXUS_TLS_CERT_FILE and NEXUS_TLS_KEY_FILE at PEM files that belong together."
    )
    assert (status, [entry["message"] for entry in entries]) == (78, [expected])


def test_a_certificate_without_a_key_stops_the_start(start: Callable[..., ServiceProcess], tmp_path: Path) -> None:
    status, _, fault = start(NEXUS_TLS_CERT_FILE=tmp_path).outcome()

    assert status == 78
    assert "NEXUS_TLS_CERT_FILE and NEXUS_TLS_KEY_FILE belong together. Set both or none." in fault


def test_empty_variables_count_as_not_set(start: Callable[..., ServiceProcess]) -> None:
    service = start(NEXUS_TLS_CERT_FILE="", NEXUS_TLS_KEY_FILE="", NEXUS_ADMIN_HOST="")
    service.wait_until_it_answers()
    assert service.stop()[0] == 0
