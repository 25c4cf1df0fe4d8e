"""What becomes of runs when a server or the runner ends: finished, started again, or reported failed."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from conftest import MakeToken
from mcp_clients import http_client
from runner_process import RunnerProcess
from stack import Stack
from workflow_client import arguments_of, code, connection, deploy, draft, start, until, until_logged

from nexus_testkit import ServiceProcess
from nexus_testkit.tcp_proxy import TcpProxy

pytestmark = pytest.mark.usefixtures("no_workflows")

SECONDS = 60.0
"""A lease, and a busy machine."""

SLEEP = draft("import time\nprint('here')\ntime.sleep(seconds)\nresult = 'done'") | {
    "inputSchema": arguments_of("seconds"),
    "inputs": {"only": {"seconds": "seconds"}},
}
CHANGE_AND_SLEEP = draft(
    {
        "save": {"node_type": "DocumentCreateNode", "config": {"name": "one"}},
        "sleep": code("import time\nprint('saved')\ntime.sleep(seconds)\nresult = 'done'"),
    },
    connection("save", "created", "sleep", "created"),
    inputSchema=arguments_of("seconds"),
    inputs={"sleep": {"seconds": "seconds"}},
    output="sleep.result",
)
CHANGED = {"DocumentCreateNode": {"created": 1}}

type Start = Callable[..., ServiceProcess]


@pytest.fixture
async def begin(environment: dict[str, str], stack: Stack) -> AsyncIterator[Start]:
    """Starts server processes."""
    urls = dict.fromkeys(("NEXUS_GATEWAY_URL", "NEXUS_CLASSIFICATION_URL", "NEXUS_DATAFLOW_URL"), stack.url)
    processes: list[ServiceProcess] = []

    def begin(runner: RunnerProcess, **variables: str) -> ServiceProcess:
        added = {"NEXUS_RUNNER_URL": runner.url, "NEXUS_RUNS": "4", **variables}
        processes.append(ServiceProcess(["-m", "mcp_server"], environment | urls | added))
        return processes[-1]

    yield begin
    for process in processes:
        await asyncio.to_thread(process.stop)


@pytest.fixture
async def own_runner() -> AsyncIterator[RunnerProcess]:
    """A runner that the test may kill."""
    runner = await asyncio.to_thread(RunnerProcess)
    yield runner
    runner.kill()


@asynccontextmanager
async def _clients(token: str, *processes: ServiceProcess) -> AsyncIterator[list[aiohttp.ClientSession]]:
    for process in processes:
        await asyncio.to_thread(process.wait_until_it_answers)
    headers = {"Authorization": f"Bearer {token}"}
    async with AsyncExitStack() as opened:
        yield [await opened.enter_async_context(http_client(process.url, headers=headers)) for process in processes]


async def test_a_run_whose_server_is_killed_is_started_again_by_another(
    begin: Start, runner_process: RunnerProcess, make_token: MakeToken
) -> None:
    first, second = begin(runner_process), begin(runner_process)
    async with _clients(make_token(), first, second) as (one, two):
        await deploy(one, "sleep", SLEEP, arguments={"seconds": 0})
        _suspend(second)
        run = await start(one, "sleep", seconds=3)
        await until_logged(one, run, 1)
        _kill(first)
        _resume(second)
        ended = await until(two, run, seconds=SECONDS)
        assert (ended["state"], ended["result"], ended["attempts"]) == ("finished", "done", 2)
        assert await until_logged(two, run, 2) == ["here", "here"]


async def test_a_run_that_changed_data_and_whose_server_is_killed_is_reported_as_lost(
    begin: Start, runner_process: RunnerProcess, make_token: MakeToken, stack: Stack
) -> None:
    first, second = begin(runner_process), begin(runner_process)
    async with _clients(make_token(), first, second) as (one, two):
        await deploy(one, "change", CHANGE_AND_SLEEP, arguments={"seconds": 0}, outputs=CHANGED)
        _suspend(second)
        run = await start(one, "change", seconds=3)
        await until_logged(one, run, 1)
        _kill(first)
        _resume(second)
        ended = await until(two, run, seconds=SECONDS)
    assert (ended["state"], ended["reason"]) == ("failed", "lost")
    assert ended["detail"] == (
        "The process that ran it ended before it did. "
        "What it changed until then stays: it is not started again by itself."
    )
    assert len(stack.rows["Document"]) == 1


async def test_a_run_whose_server_stops_goes_to_another_at_once(
    begin: Start, runner_process: RunnerProcess, make_token: MakeToken
) -> None:
    first, second = begin(runner_process), begin(runner_process)
    async with _clients(make_token(), first, second) as (one, two):
        await deploy(one, "sleep", SLEEP, arguments={"seconds": 0})
        _suspend(second)
        run = await start(one, "sleep", seconds=2)
        await until_logged(one, run, 1)
        _resume(second)
        await asyncio.to_thread(first.stop)
        ended = await until(two, run, seconds=SECONDS)
    assert (ended["state"], ended["attempts"]) == ("finished", 1)


async def test_a_run_whose_runner_is_killed_is_started_again_when_there_is_one(
    begin: Start, own_runner: RunnerProcess, make_token: MakeToken
) -> None:
    server = begin(own_runner)
    async with _clients(make_token(), server) as (client,):
        await deploy(client, "sleep", SLEEP, arguments={"seconds": 0})
        run = await start(client, "sleep", seconds=2)
        await until_logged(client, run, 1)
        own_runner.kill()
        await until(client, run, "queued")
        again = await asyncio.to_thread(RunnerProcess, own_runner.port)
        ended = await until(client, run, seconds=SECONDS)
        again.kill()
    assert (ended["state"], ended["attempts"]) == ("finished", 2)


async def test_a_run_that_changed_data_and_whose_runner_is_killed_is_reported_as_lost(
    begin: Start, own_runner: RunnerProcess, make_token: MakeToken
) -> None:
    server = begin(own_runner)
    async with _clients(make_token(), server) as (client,):
        await deploy(client, "change", CHANGE_AND_SLEEP, arguments={"seconds": 0}, outputs=CHANGED)
        run = await start(client, "change", seconds=60)
        await until_logged(client, run, 1)
        own_runner.kill()
        ended = await until(client, run)
    assert (ended["state"], ended["reason"]) == ("failed", "lost")


async def test_every_one_of_a_hundred_runs_ends_whatever_is_killed_meanwhile(
    begin: Start, own_runner: RunnerProcess, make_token: MakeToken
) -> None:
    first, second = begin(own_runner), begin(own_runner)
    async with _clients(make_token(), first, second) as (one, two):
        await deploy(one, "sleep", SLEEP, arguments={"seconds": 0})
        runs = [await start(client, "sleep", seconds=0.05) for client in (one, two) for _ in range(50)]
        await until(two, runs[5], seconds=SECONDS)
        own_runner.kill()
        again = await asyncio.to_thread(RunnerProcess, own_runner.port)
        await until(two, runs[20], seconds=SECONDS)
        _kill(first)
        ended = [await until(two, run, seconds=SECONDS) for run in runs]
        again.kill()
    assert _counted(ended) == {"finished": 100}
    assert max(run["attempts"] for run in ended) > 1


async def test_every_one_of_a_hundred_runs_ends_when_redis_and_a_worker_process_are_killed(
    begin: Start,
    runner_process: RunnerProcess,
    make_token: MakeToken,
    redis_url: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with TcpProxy(redis_url) as redis:
        server = begin(runner_process, NEXUS_REDIS_URL=redis.instead_of(redis_url))
        async with _clients(make_token(), server) as (client,):
            await deploy(client, "sleep", SLEEP, arguments={"seconds": 0})
            runs = [await start(client, "sleep", seconds=0.05) for _ in range(50)]
            await redis.cut()
            runs += [await start(client, "sleep", seconds=0.05) for _ in range(50)]
            await until(client, runs[10], seconds=SECONDS)
            await redis.start()
            await until(client, runs[20], seconds=SECONDS)
            os.kill(_workers(server)[0], signal.SIGKILL)
            await asyncio.to_thread(server.wait_until_it_answers)
            ended = [await until(client, run, seconds=SECONDS) for run in runs]
    with capfd.disabled():
        sys.stdout.write(f"\nfigure: Redis and a worker killed during 100 runs: {_counted(ended)}\n")
    assert _counted(ended) == {"finished": 100}


def _counted(runs: list[dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(run["state"] for run in runs))


def _suspend(process: ServiceProcess) -> None:
    """Let a server take no runs, so that it is known which one does."""
    _signal(process, signal.SIGSTOP)


def _resume(process: ServiceProcess) -> None:
    _signal(process, signal.SIGCONT)


def _kill(process: ServiceProcess) -> None:
    """End a server with its workers."""
    _signal(process, signal.SIGKILL)


def _workers(process: ServiceProcess) -> list[int]:
    supervisor = process.process.pid
    return list(map(int, Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()))


def _signal(process: ServiceProcess, number: signal.Signals) -> None:
    for pid in (process.process.pid, *_workers(process)):  # the supervisor first: it starts workers that end again
        os.kill(pid, number)
