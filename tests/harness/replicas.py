"""Two containers of an app, and a load balancer before them."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from harness import engine
from harness.balancer import Address, Balancer, balancing
from harness.stack import Stack, compose, settings
from nexusctl.workspace import ROOT, Service

_READY_SECONDS = 30


@dataclass
class Replicas:
    """The containers of an app, and the balancer before them."""

    app: Service
    names: list[str]
    network: str
    balancer: Balancer

    @property
    def urls(self) -> list[str]:
        """The address of each container itself."""
        return [f"http://{host}:{port}" for host, port in addresses(self.names, self.network, self.app)]

    def look_again(self) -> None:
        """Tell the balancer where the containers are: a restart may move them."""
        self.balancer.replicas = addresses(self.names, self.network, self.app)

    def wait_until_ready(self) -> None:
        """Wait until all get connections."""
        deadline = time.monotonic() + _READY_SECONDS
        self.look_again()
        while len(self.balancer.ready) < len(self.names):
            assert time.monotonic() < deadline, f"ready: {self.balancer.ready} of {self.balancer.replicas}"
            time.sleep(0.1)
            self.look_again()  # one that was killed has no address until it is started again


def addresses(names: list[str], network: str, app: Service) -> list[Address]:
    """Where containers listen in a network."""
    networks = [engine.inspect(name)["NetworkSettings"]["Networks"][network] for name in names]
    return [(found["IPAddress"], app.port) for found in networks]


@contextmanager
def doubled(stack: Stack, tag: str, apps: Sequence[Service]) -> Iterator[None]:
    """Two containers of each of these apps; published ports get a second one beside the first."""
    environment = settings(project=stack.project, tag=tag, gateway_port=stack.gateway_port, mcp_port=stack.mcp_port)
    environment["NEXUS_GATEWAY_PORT"] = f"{stack.gateway_port}-{stack.gateway_port + 1}"
    environment["NEXUS_MCP_PORT"] = f"{stack.mcp_port}-{stack.mcp_port + 1}"

    def scale(number: int) -> None:
        scales = [part for app in apps for part in ("--scale", f"{app.name}={number}")]
        done = compose(ROOT, environment, "up", "--detach", "--no-build", "--no-recreate", *scales)
        assert done.returncode == 0, done.stderr

    scale(2)
    yield
    scale(1)
    stack.wait_until_healthy()


@contextmanager
def balanced(stack: Stack, app: Service) -> Iterator[Replicas]:
    """The containers of the app behind one address."""
    names, network = engine.containers(stack.project, app.name), f"{stack.project}_backend"
    with balancing(addresses(names, network, app)) as balancer:
        yield Replicas(app, names, network, balancer)
