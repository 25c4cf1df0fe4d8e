import http.client
import os
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from nexus_testkit.process import ServiceProcess, free_port

SECONDS = 20
FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def start() -> Iterator[Callable[..., ServiceProcess]]:
    started: list[ServiceProcess] = []

    def begin(**variables: object) -> ServiceProcess:
        environment = {name: str(value) for name, value in variables.items()}
        service = ServiceProcess([FIXTURES / "run_example.py", "example_service:create_app"], environment)
        started.append(service)
        service.wait_until_it_answers()
        return service

    yield begin
    for service in started:
        if service.process.poll() is None:
            service.stop()


def workers(service: ServiceProcess) -> set[str]:
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children")
    return set(children.read_text("utf-8").split())


def until[T](ask: Callable[[], T], wanted: T) -> T:
    """What `ask` returns once that is `wanted`, or at the end of the time."""
    deadline = time.monotonic() + SECONDS
    while (found := ask()) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


class Tls:
    """A certificate in files, and what the service at `port` shows of it."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"
        self.port = free_port()
        self.variables = {
            "NEXUS_TLS_CERT_FILE": self.certificate,
            "NEXUS_TLS_KEY_FILE": self.key,
            "NEXUS_TLS_PORT": self.port,
        }

    def issue(self, name: str) -> None:
        issued = self.authority.issue_cert(name, "127.0.0.1")
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(self.key)

    def connect(self, server_name: str | None = "127.0.0.1") -> ssl.SSLSocket:
        context = ssl.create_default_context()
        context.check_hostname = server_name is not None
        self.authority.configure_trust(context)
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        return context.wrap_socket(plain, server_hostname=server_name)

    def names(self, server_name: str | None = "127.0.0.1") -> set[str]:
        try:
            with self.connect(server_name) as client:
                found = client.getpeercert()
                assert found is not None
                return {str(value) for kind, value in found["subjectAltName"] if kind == "DNS"}
        except OSError:
            return set()


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    tls = Tls(tmp_path)
    tls.issue("first.example")
    return tls


def ask(client: socket.socket, path: str) -> int:
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    response = http.client.HTTPResponse(client)
    response.begin()
    response.read()
    return response.status


class TestSighup:
    def test_calls_what_reloads_in_each_worker_and_drops_no_connection(
        self, start: Callable[..., ServiceProcess]
    ) -> None:
        service = start(WEB_CONCURRENCY=2)
        until(lambda: len(workers(service)), 2)
        before = workers(service)
        with socket.create_connection(("127.0.0.1", service.port), timeout=5) as client:
            assert ask(client, "/things/1") == 200
            service.process.send_signal(signal.SIGHUP)
            time.sleep(1)
            assert ask(client, "/things/2") == 200
        assert workers(service) == before

        status, log, err = service.stop()
        messages = [(entry["level"], entry["message"]) for entry in log if "serves at" not in entry["message"]]
        failure, success = ("error", "not reloaded: The flux cannot be read."), ("info", "reloaded")
        assert (status, sorted(messages), err) == (0, [failure, failure, success, success], "")

    def test_goes_on_with_the_next_hook_after_one_that_failed(self, start: Callable[..., ServiceProcess]) -> None:
        service = start()
        service.process.send_signal(signal.SIGHUP)
        assert until(lambda: service.get("/reloads"), "1") == "1"

        service.process.send_signal(signal.SIGHUP)
        assert until(lambda: service.get("/reloads"), "2") == "2"

    def test_while_the_service_starts_ends_nothing(self) -> None:
        arguments = [FIXTURES / "run_example.py", "example_service:create_app"]
        service = ServiceProcess(arguments)
        until(lambda: len(workers(service)), 1)
        for _ in range(20):
            service.process.send_signal(signal.SIGHUP)
            time.sleep(0.02)
        service.wait_until_it_answers()

        assert service.stop()[0] == 0


class TestCertificate:
    def test_is_read_again_on_sighup_while_open_connections_stay(
        self, start: Callable[..., ServiceProcess], tls: Tls
    ) -> None:
        service = start(**tls.variables)  # health probes go on asking by HTTP
        assert until(tls.names, {"first.example"}) == {"first.example"}

        tls.issue("second.example")
        with tls.connect() as client:
            assert ask(client, "/things/1") == 200
            service.process.send_signal(signal.SIGHUP)
            assert until(tls.names, {"second.example"}) == {"second.example"}
            assert ask(client, "/things/2") == 200
        assert tls.names(server_name=None) == {"second.example"}
        assert service.stop()[0] == 0

    def test_one_that_cannot_be_used_is_logged_and_the_former_one_kept(
        self, start: Callable[..., ServiceProcess], tls: Tls
    ) -> None:
        service = start(**tls.variables)
        until(tls.names, {"first.example"})
        tls.certificate.write_text("none")
        service.process.send_signal(signal.SIGHUP)
        assert until(lambda: service.get("/reloads"), "1") == "1"
        assert tls.names() == {"first.example"}

        log = service.stop()[1]
        unusable = (
            f"The certificate {tls.certificate} and the key {tls.key} cannot be used: [SSL] PEM lib. "
            "Point NEXUS_TLS_CERT_FILE and NEXUS_TLS_KEY_FILE at PEM files that belong together."
        )
        errors = {entry["message"] for entry in log if entry["level"] == "error"}
        assert errors == {f"the certificate was not changed: {unusable}", "not reloaded: The flux cannot be read."}

    def test_a_worker_that_is_replaced_serves_the_last_one_that_could_be_used(
        self, start: Callable[..., ServiceProcess], tls: Tls
    ) -> None:
        service = start(**tls.variables)
        until(tls.names, {"first.example"})
        tls.issue("second.example")
        service.process.send_signal(signal.SIGHUP)
        until(tls.names, {"second.example"})
        tls.certificate.write_text("none")
        (worker,) = workers(service)
        os.kill(int(worker), signal.SIGKILL)

        assert until(lambda: worker in workers(service), False) is False  # noqa: FBT003  the value waited for
        assert until(tls.names, {"second.example"}) == {"second.example"}
