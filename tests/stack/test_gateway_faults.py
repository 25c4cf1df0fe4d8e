"""50 clients while what the gateway needs fails: defined refusals, no wrong answer, and whole again without a restart."""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import engine
from harness.figures import Figures
from harness.proofs import STACK_INPUTS, proof
from harness.stack import Stack, compose, login, settings
from harness.traffic import (
    CHANNEL,
    Client,
    Cut,
    Publisher,
    Reader,
    Record,
    Returning,
    Subscriber,
    Window,
    Writer,
    Writes,
    around,
    http_client,
    is_defined,
    repeat,
    row_of,
    sign_up,
    stored_names,
)

from nexusctl.workspace import ROOT, load

FAULT_SECONDS = 10
MAX_RECOVERY_SECONDS = 5
QUIET_SECONDS = 8
CLIENTS = {"reader": 14, "writer": 12, "returning": 8, "publisher": 6, "subscriber": 8, "cut": 2}
# What a service that cuts its answers leads to, at any time.
CUTS = {"cut short 502", "cut long incomplete", "cut long 502", "cut short 503", "cut long 503", "cut, whole 503"}
GATEWAY = "nexus-gateway"
CUTTING = Path(__file__).with_name("upstreams") / "cutting.py"
WORKERS = 2
DRAIN_SECONDS = 5  # NEXUS_DRAIN_SECONDS of the compose file

pytestmark = [
    proof("gateway faults", *STACK_INPUTS, "tests/harness/traffic.py", "tests/stack/upstreams"),
    pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may end a container's worker from the host"),
]


@pytest.fixture(scope="module")
def cut_service(stack: Stack, tag: str) -> Iterator[None]:
    """A service that cuts its answers, in the network of the stack."""
    place = ["--network", f"{stack.project}_backend", "--network-alias", "cutting"]
    mount = ["--volume", f"{CUTTING}:/cutting.py:ro"]
    command = ["--entrypoint", "launcher", f"{GATEWAY}:{tag}", "--", "python3", "/cutting.py"]
    container = engine.docker("run", "--detach", *place, *mount, *command)
    yield
    engine.docker("rm", "--force", container)


@pytest.fixture(scope="module", autouse=True)
def gateway(stack: Stack, tag: str, cut_service: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The gateway with two workers, and with a route to the service that cuts its answers."""
    del cut_service
    environment = settings(project=stack.project, tag=tag, gateway_port=stack.gateway_port, mcp_port=stack.mcp_port)
    variables = {"WEB_CONCURRENCY": str(WORKERS), "NEXUS_ROUTES": "cut=http://cutting:8080"}
    override = tmp_path_factory.mktemp("override") / "compose.json"
    override.write_text(json.dumps({"services": {GATEWAY: {"environment": variables}}}))

    def start(*files: str) -> None:
        done = compose(ROOT, environment, *files, "up", "--detach", "--no-build", "--no-deps", GATEWAY)
        assert done.returncode == 0, done.stderr
        stack.wait_until_healthy()

    start("-f", str(override))
    yield
    start()


@contextmanager
def paused(stack: Stack, name: str) -> Iterator[None]:
    """The service hangs."""
    container = stack.container(name)["Id"]
    engine.docker("pause", container)
    try:
        yield
    finally:
        engine.docker("unpause", container)


@contextmanager
def stopped(stack: Stack, name: str) -> Iterator[None]:
    """The service is stopped; it answers again when the block has ended."""
    container = stack.container(name)["Id"]
    engine.docker("stop", container)
    try:
        yield
    finally:
        engine.docker("start", container)
        while subprocess.run(["docker", "exec", container, *PINGS[name]], capture_output=True, check=False).returncode:
            time.sleep(0.05)


PINGS = {
    "redis": ["redis-cli", "-e", "--user", "health", "--pass", "none", "--no-auth-warning", "ping"],
    "postgres": ["pg_isready", "--quiet", "--host=127.0.0.1"],
}


@contextmanager
def worker_ended(stack: Stack, name: str) -> Iterator[None]:
    """One of the workers receives SIGTERM; the fault lasts until it has ended and another one has taken its place."""
    container = stack.container(name)["Id"]
    before = workers(container)
    os.kill(before[0], signal.SIGTERM)
    while len(now := workers(container)) < WORKERS or before[0] in now:
        time.sleep(0.2)
    yield


def workers(container: str) -> list[int]:
    """The processes of the workers: the children of the supervisor that last."""
    rows = [line.split(None, 2) for line in engine.docker("top", container, "-eo", "pid,ppid,args").splitlines()[1:]]
    serving = {int(row[0]): int(row[1]) for row in rows if "nexus_gateway" in row[2]}
    return sorted(pid for pid, parent in serving.items() if parent in serving)


FAULTS: list[tuple[str, Callable[[Stack], Any], float]] = [
    ("Redis hangs", lambda stack: paused(stack, "redis"), FAULT_SECONDS),
    ("Redis is stopped", lambda stack: stopped(stack, "redis"), FAULT_SECONDS),
    ("PostgreSQL hangs", lambda stack: paused(stack, "postgres"), FAULT_SECONDS),
    ("PostgreSQL is stopped", lambda stack: stopped(stack, "postgres"), FAULT_SECONDS),
    ("dataflow-service hangs", lambda stack: paused(stack, "dataflow-service"), FAULT_SECONDS),
    ("a worker receives SIGTERM", lambda stack: worker_ended(stack, GATEWAY), 0),
]


@dataclass
class Run:
    """All clients, and what came of it."""

    record: Record = field(default_factory=Record)
    rows: Writes = field(default_factory=Writes)
    events: Writes = field(default_factory=Writes)
    writers: list[Writer] = field(default_factory=list)
    returning: list[Returning] = field(default_factory=list)
    subscribers: list[Subscriber] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    stored: Counter[str] = field(default_factory=Counter)


@pytest.fixture(scope="module")
def run(stack: Stack, gateway: None) -> Run:
    """Everything happens once; the tests look at what came of it."""
    del gateway
    with login(stack) as admin:
        people = users(admin)
        run = Run()
        asyncio.run(play(stack, admin, people, run))
        run.stored = stored_names(admin)
    return run


def users(admin: httpx.Client) -> list[tuple[str, str, str]]:
    """What each client does, and its name and password. Only administrators have the scope of a new service at once."""
    assert admin.put("/v1/roles/publisher", json={"scopes": ["events:publish"]}).status_code in {200, 201}
    return sign_up(admin, CLIENTS, lambda kind: ["admin"] if kind == "cut" else ["editor", "publisher"])


async def play(stack: Stack, admin: httpx.Client, people: list[tuple[str, str, str]], run: Run) -> None:
    """Let all clients work while one fault follows the other; then look whether the sessions are still there."""
    async with http_client(stack.gateway, DRAIN_SECONDS / 2) as http:
        steps = [
            await begin(stack, admin, run, kind, Client(http, run.record, name, password))
            for kind, name, password in people
        ]
        over = asyncio.Event()
        subscribers = [asyncio.create_task(keep(subscriber)) for subscriber in run.subscribers]
        async with asyncio.timeout(DRAIN_SECONDS):
            while not all(subscriber.connections for subscriber in run.subscribers):  # noqa: ASYNC110  they have no event
                await asyncio.sleep(0.05)
        tasks = [asyncio.create_task(repeat(step, over)) for step in steps]
        await asyncio.sleep(QUIET_SECONDS)
        for name, fault, seconds in FAULTS:
            run.windows.append(await asyncio.to_thread(suffer, stack, name, fault, seconds))
            await asyncio.sleep(QUIET_SECONDS)
        over.set()
        await asyncio.gather(*tasks)
        await asyncio.sleep(2)  # for the last events
        for task in subscribers:
            task.cancel()
        await asyncio.gather(*subscribers, return_exceptions=True)
        await check(run)


async def begin(
    stack: Stack, admin: httpx.Client, run: Run, kind: str, client: Client
) -> Callable[[], Coroutine[Any, Any, None]]:
    """Sign in; return what the client does again and again."""
    assert await client.sign_in()
    match kind:
        case "reader":
            return Reader(client, row_of(admin, client.name), client.name).step
        case "writer":
            run.writers.append(Writer(client, row_of(admin, client.name), run.rows))
            return run.writers[-1].step
        case "returning":
            run.returning.append(Returning(client))
            return run.returning[-1].step
        case "publisher":
            return Publisher(client, run.events).step
        case "subscriber":
            run.subscribers.append(Subscriber(client, f"ws://localhost:{stack.gateway_port}/v1/ws"))
            return client.be_known
        case _:
            return Cut(client).step


async def keep(subscriber: Subscriber) -> None:
    while True:
        await subscriber.step()
        await asyncio.sleep(0.2)


def suffer(stack: Stack, name: str, fault: Callable[[Stack], Any], seconds: float) -> Window:
    began = time.monotonic()
    with fault(stack):
        time.sleep(seconds)
    return Window(name, began, time.monotonic())


async def check(run: Run) -> None:
    """Use every row and every session once more."""
    for writer in run.writers:
        await writer.check()
    for returning in run.returning:
        for session in returning.sessions:
            await session.refresh()
            await session.be_known()


def test_only_defined_refusals_and_only_while_something_fails(run: Run, figures: Figures) -> None:
    outcomes = run.record.outcomes
    failures = [item for item in outcomes if not item.is_success and f"{item.kind} {item.result}" not in CUTS]
    undefined = Counter(f"{item.kind}: {item}" for item in failures if not is_defined(item.kind, item.result))
    in_time = [item for window in run.windows for item in around(window, failures, MAX_RECOVERY_SECONDS)]

    figures.note("requests of 50 clients", str(len(outcomes)))
    for window in run.windows:
        refused = Counter(map(str, around(window, failures, MAX_RECOVERY_SECONDS))).most_common()
        figures.note(f"refused while {window.name}", ", ".join(f"{count} x {what}" for what, count in refused) or "0")
        longest = max(item.seconds for item in around(window, outcomes, MAX_RECOVERY_SECONDS))
        figures.note(f"longest wait for an answer while {window.name}", f"{longest:.1f} s")
    assert undefined == {}
    figures.at_most("undefined answers", undefined.total(), 0)
    assert Counter(f"{item.kind}: {item}" for item in failures if item not in in_time) == {}


def test_no_answer_is_wrong(run: Run, figures: Figures) -> None:
    figures.at_most("wrong answers", len(run.record.wrong), 0)
    assert run.record.wrong == []


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=[name for name, _, _ in FAULTS])
def test_all_is_well_again_soon_after(run: Run, number: int, figures: Figures) -> None:
    window = run.windows[number]
    after = [item for item in run.record.outcomes if window.ended < item.at < window.ended + QUIET_SECONDS]
    failures = [item.at - window.ended for item in after if not item.is_success and not item.kind.startswith("cut")]
    last = {item.kind: item.is_success for item in after}

    figures.at_most(f"well again after {window.name}", max(failures, default=0), MAX_RECOVERY_SECONDS, "s")
    for kind in ("who am I", "read", "change", "create", "refresh", "publish"):
        assert last[kind], kind


def test_no_session_is_lost(run: Run, figures: Figures) -> None:
    figures.note("sessions kept", str(sum(len(returning.sessions) for returning in run.returning)))
    figures.at_most("sessions lost", len(run.record.lost_sessions), 0)


def test_no_row_is_lost_or_doubled(run: Run, figures: Figures) -> None:
    own = {name: count for name, count in run.stored.items() if name in {*run.rows.confirmed, *run.rows.unknown}}
    lost = [name for name in run.rows.confirmed if name not in own]

    figures.note("rows written", str(len(run.rows.confirmed)))
    figures.at_most("rows lost", len(lost), 0)
    figures.at_most("rows doubled", sum(count > 1 for count in own.values()), 0)


def test_no_event_is_lost_or_doubled(run: Run, figures: Figures) -> None:
    published = set(run.events.confirmed)
    heard = [Counter(data for data, _ in subscriber.received) for subscriber in run.subscribers]
    lost = sum(len(published - set(each)) for each in heard)
    doubled = sum(count > 1 for each in heard for count in each.values())
    strange = [set(each) - published - run.events.unknown for each in heard]

    figures.note(f"events on {CHANNEL}", f"{len(published)}, to {len(heard)} subscribers")
    figures.at_most("events lost", lost, 0)
    figures.at_most("events doubled", doubled, 0)
    assert strange == [set()] * len(heard)
    assert [subscriber.resets for subscriber in run.subscribers] == [0] * len(heard)
    for subscriber in run.subscribers:
        places = [tuple(map(int, offset.split("-"))) for _, (_, offset) in subscriber.received]
        assert places == sorted(places)
        assert {name: place for name, place in subscriber.received if name in published}.items() <= (
            run.events.confirmed.items()
        )


def test_the_gateway_was_not_restarted(stack: Stack, run: Run) -> None:
    del run
    restarts = {app.name: stack.container(app.name)["RestartCount"] for app in load().apps}
    assert restarts == dict.fromkeys(restarts, 0)
