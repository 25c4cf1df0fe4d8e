"""Where `make up` publishes ports: on this machine only, unless NEXUS_PUBLISH_ADDRESS names another address."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.clone import Outcome, nexusctl

from nexusctl.stack import _address
from nexusctl.workspace import load

ELSEWHERE = "127.0.0.2"  # an address of this machine that is not the usual one


@pytest.fixture
def port() -> Iterator[int]:
    """A port that a program listens on, at one address only."""
    with socket.create_server((ELSEWHERE, 0)) as listener:
        yield listener.getsockname()[1]


def test_port_that_another_program_has_on_the_address_that_is_published(tree: Path, port: int) -> None:
    environment = {
        "NEXUS_PUBLISH_ADDRESS": ELSEWHERE,
        "NEXUS_GATEWAY_PORT": str(port),
        "COMPOSE_PROJECT_NAME": "nexus-test-port",
    }
    assert nexusctl(tree, "up", env=environment) == Outcome(
        1,
        "",
        f"nexusctl: port {port} is needed for nexus-gateway\n"
        f"  found: another program listens on it (`ss -ltnp 'sport = :{port}'` names it)\n"
        "  to do: stop that program, or choose another port: `NEXUS_GATEWAY_PORT=18000 make up`\n",
    )


def test_address_in_place_of_a_port_is_refused_with_the_setting_for_it(tree: Path) -> None:
    environment = {"NEXUS_GATEWAY_PORT": "0.0.0.0:8000", "COMPOSE_PROJECT_NAME": "nexus-test-port"}
    assert nexusctl(tree, "up", env=environment) == Outcome(
        1,
        "",
        "nexusctl: NEXUS_GATEWAY_PORT is not a port\n"
        "  found: 0.0.0.0:8000\n"
        "  to do: set it to a number such as 18000; NEXUS_PUBLISH_ADDRESS sets the address\n",
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
