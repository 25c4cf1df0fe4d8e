"""Where `make up` publishes ports: on this machine only, unless NEXUS_PUBLISH_ADDRESS names another address."""

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from nexusctl.errors import NexusError
from nexusctl.stack import _address, _require_free_ports
from nexusctl.workspace import load

ELSEWHERE = "127.0.0.2"  # an address of this machine that is not the usual one


@pytest.fixture
def port() -> Iterator[int]:
    """A port that a program listens on, at one address only."""
    with socket.create_server((ELSEWHERE, 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "nexus-test-port")


def refusal() -> tuple[str, str, str]:
    """Return what is wrong with a port, what was found and what to do."""
    with pytest.raises(NexusError) as caught:
        _require_free_ports()
    return caught.value.what, caught.value.found, caught.value.remedy


def test_port_that_another_program_has_on_the_address_that_is_published(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXUS_GATEWAY_PORT", str(port))
    monkeypatch.setenv("NEXUS_PUBLISH_ADDRESS", ELSEWHERE)
    assert refusal() == (
        f"port {port} is needed for nexus-gateway",
        f"another program listens on it (`ss -ltnp 'sport = :{port}'` names it)",
        "stop that program, or choose another port: `NEXUS_GATEWAY_PORT=18000 make up`",
    )


def test_address_in_place_of_a_port_is_refused_with_the_setting_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXUS_GATEWAY_PORT", "0.0.0.0:8000")
    assert refusal() == (
        "NEXUS_GATEWAY_PORT is not a port",
        "0.0.0.0:8000",
        "set it to a number such as 18000; NEXUS_PUBLISH_ADDRESS sets the address",
    )


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("", "localhost"),
        ("127.0.0.1", "localhost"),
        ("0.0.0.0", "localhost"),
        ("[::]", "localhost"),
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:db8::7]", "[2001:db8::7]"),
    ],
)
def test_address_that_status_shows(monkeypatch: pytest.MonkeyPatch, address: str, host: str) -> None:
    monkeypatch.setenv("NEXUS_PUBLISH_ADDRESS", address)
    monkeypatch.delenv("NEXUS_GATEWAY_PORT", raising=False)
    services = {service.name: service for service in load().services}
    assert _address(services["nexus-gateway"]) == f"http://{host}:8000"
    assert _address(services["redis"]) == "redis:6379 (internal)"


def test_address_of_a_worker_that_status_shows() -> None:
    (runner,) = load().workers
    assert _address(runner) == "workflow-runner:3100 (internal)"
    assert _address(replace(runner, port=None)) == "none (worker)"
