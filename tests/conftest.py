"""Fixtures of all tests that need the host's engine: images of both build paths, a running stack, figures."""

from collections.abc import Generator, Iterator

import httpx
import pytest
from harness import engine, proofs
from harness import figures as figures_of
from harness.proofs import STACK_INPUTS, proof
from harness.rebased import NAMES, OF_WORKERS, rebased_images
from harness.stack import Stack, login, running

from nexusctl import base_images, docker, images
from nexusctl.console import Steps
from nexusctl.workspace import load

PACK, DOCKERFILE, REBASED = "pack", "dockerfile", "rebased"
# `make test` runs the stack on images of pack alone; the others are proofs.
_STACKS = {DOCKERFILE: "stack of Dockerfile images", REBASED: "stack of rebased images"}
_GATEWAY_PORT, _MCP_PORT = 18000, 13000
_MAX_READY_SECONDS = 60
_STACK = pytest.StashKey[Stack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that choose proofs."""
    proofs.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Begin the table of figures."""
    proofs.configure(config)
    config.stash[figures_of.FIGURES] = figures_of.Figures()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was measured."""
    config.stash[figures_of.FIGURES].print(terminalreporter)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Make a proof of a test that runs on a stack of other images than those of pack."""
    callspec = getattr(item, "callspec", None)
    path = callspec.params.get("build_path") if callspec else None
    if path in _STACKS and "stack" in getattr(item, "fixturenames", ()):
        item.add_marker(proof(_STACKS[path], *STACK_INPUTS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the containers' last logs with a failure on the running stack."""
    report = yield
    stack = item.config.stash.get(_STACK, None)
    if report.failed and stack is not None and "stack" in getattr(item, "fixturenames", ()) and (logs := stack.logs()):
        report.sections.append(("containers", logs))
    return report


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> figures_of.Figures:
    """Where a test puts what it measured."""
    return pytestconfig.stash[figures_of.FIGURES]


@pytest.fixture(scope="session", params=[PACK, DOCKERFILE])
def build_path(request: pytest.FixtureRequest) -> str:
    """One of the two ways from an app's folder to its image."""
    path: str = request.param
    return path


@pytest.fixture(scope="session")
def bases() -> None:
    """The base images of services and builder, made where something changed; those of flavours alone take longer."""
    docker.require_engine()
    of_flavours = {flavour.run_image for flavour in load().flavours} - {service.base for service in load().services}
    base_images.build(Steps(), tuple(base for base in load().bases if base.image not in of_flavours))


@pytest.fixture(scope="session")
def tag(build_path: str, request: pytest.FixtureRequest) -> str:
    """The tag of the service images of this build path, all built."""
    docker.require_engine()
    images.build(Steps(), (), use_pack=build_path != DOCKERFILE)
    if build_path == REBASED:
        request.getfixturevalue("rebased")
        return REBASED
    return "latest" if build_path == PACK else images.DOCKERFILE_TAG


@pytest.fixture(scope="session")
def rebased(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Copies of what pack has built, moved onto a patched base image, under a tag of their own."""
    images = [*(app.image for app in load().apps), *(flavour.name for flavour in load().flavours_of_workers)]
    copies = [f"{image}:{REBASED}" for image in images]
    with rebased_images(tmp_path_factory.mktemp("story") / "nexus") as made:
        assert made.outcome.status == 0, made.outcome.err
        for name, copy in zip([*NAMES, *OF_WORKERS], copies, strict=True):
            engine.docker("tag", name, copy)
    yield
    engine.remove_images(copies)


@pytest.fixture(scope="session")
def stack(build_path: str, tag: str, figures: figures_of.Figures, pytestconfig: pytest.Config) -> Iterator[Stack]:
    """The whole stack on images of this build path, beside any that `make up` has started."""
    stack = Stack("nexus-test", build_path, _GATEWAY_PORT, _MCP_PORT)
    pytestconfig.stash[_STACK] = stack
    with running(stack, tag) as seconds:
        figures.seconds(f"all services up and healthy, images exist, {build_path}", seconds, _MAX_READY_SECONDS)
        yield stack
    del pytestconfig.stash[_STACK]


@pytest.fixture
def admin(stack: Stack) -> Iterator[httpx.Client]:
    """A client of the gateway, logged in as the bootstrap admin."""
    with login(stack) as client:
        yield client
