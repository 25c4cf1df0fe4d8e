"""PostgreSQL is killed again and again under load: defined refusals, no wrong answer, no acknowledged row lost, well again soon."""

import asyncio
import os
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx
import pytest
from harness import engine
from harness.figures import Figures
from harness.proofs import STACK_INPUTS, proof
from harness.stack import Stack, login
from harness.traffic import (
    Client,
    Reader,
    Record,
    Step,
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

KILLS = [signal.SIGKILL, signal.SIGQUIT] * 3  # SIGQUIT is PostgreSQL's immediate shutdown
MAX_RECOVERY_SECONDS = 5
QUIET_SECONDS = 11  # the engine restarts at once what has run for 10 s
START_SECONDS = 60
CLIENTS = {"reader": 12, "writer": 12, "bulk": 6, "lister": 4}
ROWS = 50

pytestmark = [
    proof("data faults", *STACK_INPUTS, "tests/harness/traffic.py"),
    pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may signal a container's process from the host"),
]


class BulkWriter:
    """Writes many rows at once, each time under a name of their own."""

    def __init__(self, client: Client, writes: Writes) -> None:
        self._client = client
        self._writes = writes
        self._count = 0

    async def step(self) -> None:
        self._count += 1
        name = f"{self._client.name} {self._count}"
        rows = [{"name": name, "description": str(number)} for number in range(ROWS)]
        made = await self._client.ask("bulk", "POST", "/v1/data/product/bulk", json=rows)
        if made is None:
            self._writes.unknown.add(name)
            return
        self._client.record.expect("bulk", found=(made["created"], len(set(made["ids"]))), expected=(ROWS, ROWS))
        self._writes.confirmed[name] = made["ids"]


class Lister:
    """Reads pages, and goes through all rows."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._after: dict[str, str] = {}

    async def step(self) -> None:
        address = str(httpx.URL("/v1/data/product", params={"limit": 100, **self._after}))
        page = await self._client.ask("list", "GET", address)
        if page is not None:
            ids = [row["id"] for row in page["items"]]
            self._client.record.expect("list", found=ids, expected=sorted(set(ids)))
            self._after = {} if page["next"] is None else {"after": page["next"]}


@dataclass
class Run:
    """All clients, and what came of it."""

    record: Record = field(default_factory=Record)
    rows: Writes = field(default_factory=Writes)
    bulks: Writes = field(default_factory=Writes)
    writers: list[Writer] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    stored: Counter[str] = field(default_factory=Counter)
    logged: Counter[str] = field(default_factory=Counter)


@pytest.fixture(scope="module")
def run(stack: Stack) -> Run:
    """Everything happens once; the tests look at what came of it."""
    with login(stack) as admin:
        run, start = Run(), latest(admin)
        asyncio.run(play(stack, admin, run))
        stack.wait_until_healthy()
        run.stored = stored_names(admin)
        run.logged = logged_names(admin, start)
    return run


async def play(stack: Stack, admin: httpx.Client, run: Run) -> None:
    """Let all clients work while PostgreSQL is killed several times; then read every row of a writer once more."""
    async with http_client(stack.gateway, QUIET_SECONDS) as http:
        steps = [
            await begin(admin, run, kind, Client(http, run.record, name, password))
            for kind, name, password in sign_up(admin, CLIENTS, lambda _: ["editor"])
        ]
        over = asyncio.Event()
        tasks = [asyncio.create_task(repeat(step, over)) for step in steps]
        await asyncio.sleep(QUIET_SECONDS)
        for kill in KILLS:
            run.windows.append(await asyncio.to_thread(suffer, stack, kill))
            await asyncio.sleep(QUIET_SECONDS)
        over.set()
        await asyncio.gather(*tasks)
        for writer in run.writers:
            await writer.check()


async def begin(admin: httpx.Client, run: Run, kind: str, client: Client) -> Step:
    """Sign in; return what the client does again and again."""
    assert await client.sign_in()
    match kind:
        case "reader":
            return Reader(client, row_of(admin, client.name), client.name).step
        case "writer":
            run.writers.append(Writer(client, row_of(admin, client.name), run.rows))
            return run.writers[-1].step
        case "bulk":
            return BulkWriter(client, run.bulks).step
        case _:
            return Lister(client).step


def suffer(stack: Stack, kill: signal.Signals) -> Window:
    """Kill PostgreSQL, and wait until the engine has started it again and it answers."""
    before = stack.container("postgres")
    began = time.monotonic()
    os.kill(before["State"]["Pid"], kill)
    while stack.container("postgres")["State"]["Pid"] in {0, before["State"]["Pid"]} or not answers(before["Id"]):
        assert time.monotonic() - began < START_SECONDS, engine.last_log(before["Id"])
        time.sleep(0.05)
    return Window(kill.name, began, time.monotonic())


def answers(container: str) -> bool:
    """Whether PostgreSQL takes connections."""
    command = ["docker", "exec", container, "pg_isready", "--quiet", "--host=127.0.0.1"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def latest(admin: httpx.Client) -> str:
    """Where the feed of changes ends."""
    answer = admin.get("/v1/data/changes", params={"after": "latest"})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["next"])


def logged_names(admin: httpx.Client, after: str) -> Counter[str]:
    """The names of all rows that were created, by the feed."""
    names: Counter[str] = Counter()
    while True:
        answer = admin.get("/v1/data/changes", params={"limit": 1000, "after": after})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        if not page["items"]:
            return names
        names.update(change["row"]["name"] for change in page["items"] if change["op"] == "create")
        after = page["next"]


def test_only_defined_refusals_and_only_while_postgresql_is_away(run: Run, figures: Figures) -> None:
    failures = [item for item in run.record.outcomes if not item.is_success]
    in_time = [item for window in run.windows for item in around(window, failures, MAX_RECOVERY_SECONDS)]

    figures.note("requests while PostgreSQL was killed", f"{len(run.record.outcomes)}, {len(run.windows)} times")
    figures.note("refused", ", ".join(f"{count} x {what}" for what, count in Counter(map(str, failures)).most_common()))
    assert Counter(f"{item.kind}: {item}" for item in failures if not is_defined(item.kind, item.result)) == {}
    assert Counter(f"{item.kind}: {item}" for item in failures if item not in in_time) == {}


def test_no_answer_is_wrong(run: Run, figures: Figures) -> None:
    figures.at_most("wrong answers", len(run.record.wrong), 0)
    assert run.record.wrong == []


@pytest.mark.parametrize("number", range(len(KILLS)), ids=[f"{at}-{kill.name}" for at, kill in enumerate(KILLS)])
def test_all_is_well_again_soon_after(run: Run, number: int, figures: Figures) -> None:
    window = run.windows[number]
    after = [item for item in run.record.outcomes if window.ended < item.at < window.ended + QUIET_SECONDS]
    failures = [item.at - window.ended for item in after if not item.is_success]
    last = {item.kind: item.is_success for item in after}

    figures.at_most(f"well again after {window.name}", max(failures, default=0), MAX_RECOVERY_SECONDS, "s")
    for kind in ("read", "change", "create", "bulk", "list"):
        assert last[kind], kind


def test_no_acknowledged_row_is_lost_and_none_doubled(run: Run, figures: Figures) -> None:
    lost = [name for name in run.rows.confirmed if name not in run.stored]
    own = [run.stored[name] for name in {*run.rows.confirmed, *run.rows.unknown}]

    figures.note("rows acknowledged", str(len(run.rows.confirmed)))
    figures.at_most("rows lost", len(lost), 0)
    figures.at_most("rows doubled", sum(count > 1 for count in own), 0)


def test_a_bulk_is_there_as_a_whole_or_not_at_all(run: Run, figures: Figures) -> None:
    figures.note("bulks acknowledged", str(len(run.bulks.confirmed)))
    assert {name: run.stored[name] for name in run.bulks.confirmed} == dict.fromkeys(run.bulks.confirmed, ROWS)
    assert {run.stored[name] for name in run.bulks.unknown} <= {0, ROWS}


def test_the_feed_has_just_the_rows_that_are_there(run: Run) -> None:
    own = {*run.rows.confirmed, *run.rows.unknown, *run.bulks.confirmed, *run.bulks.unknown}
    assert {name: run.logged[name] for name in own} == {name: run.stored[name] for name in own}
