"""Runs whose caller's token ends while they run: no node or tool is called for it any longer."""

import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from conftest import MakeToken
from mcp_clients import http_client
from stack import Stack, answering
from workflow_client import code, connection, deploy, draft, start, until, until_logged

from nexus_chassis.revocation_stream import revoke_session
from nexus_testkit import RevocationServer

pytestmark = pytest.mark.usefixtures("names", "no_workflows")

WAIT = "import time\nprint('waiting')\ntime.sleep(4)\nresult = 'waited'"
SAVE = {"node_type": "DocumentCreateNode", "config": {"name": "one"}}
SAVED = {"DocumentCreateNode": {"created": 1}}
TWICE = draft(
    {"first": SAVE, "wait": code(WAIT), "second": SAVE},
    connection("first", "created", "wait", "created"),
    connection("wait", "result", "second", "title"),
    output="second.created",
)
ONCE = draft(
    {"first": SAVE, "wait": code(WAIT)}, connection("first", "created", "wait", "created"), output="wait.result"
)
DETAIL = "The access token of its caller ended while it ran: {}. What it changed until then stays."


class Clock:
    """The time as the verification of tokens has it."""

    ahead = 0.0

    def time(self) -> float:
        """Seconds since 1970."""
        return time.time() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("tokens", "claims"):
        monkeypatch.setattr(f"nexus_chassis.{module}.time", clock)
    return clock


@pytest.fixture
async def lasting(workflow_service: str, make_token: MakeToken) -> AsyncIterator[aiohttp.ClientSession]:
    """A client whose token outlives the others."""
    headers = {"Authorization": f"Bearer {make_token(lifetime=7200)}"}
    async with http_client(workflow_service, headers=headers) as client:
        yield client


async def test_a_run_whose_callers_token_expires_calls_no_further_node(
    deployer: aiohttp.ClientSession, lasting: aiohttp.ClientSession, stack: Stack, clock: Clock
) -> None:
    await deploy(deployer, "twice", TWICE, outputs=SAVED)
    run = await start(deployer, "twice")
    await until_logged(deployer, run, 1)
    clock.ahead = 601
    ended = await until(lasting, run)
    assert (ended["state"], ended["reason"], ended["detail"]) == ("failed", "token", DETAIL.format("it has expired"))
    assert [row["name"] for row in stack.rows["Document"]] == ["one"]
    assert len(stack.requests["/v1/nodes/DocumentCreateNode/execute"]) == 1


async def test_code_of_a_run_goes_on_when_its_callers_token_has_expired(
    deployer: aiohttp.ClientSession, lasting: aiohttp.ClientSession, clock: Clock
) -> None:
    await deploy(deployer, "once", ONCE, outputs=SAVED)
    run = await start(deployer, "once")
    await until_logged(deployer, run, 1)
    clock.ahead = 601
    ended = await until(lasting, run)
    assert (ended["state"], ended["result"]) == ("finished", "waited")


async def test_a_node_that_is_refused_because_the_token_has_just_expired_is_no_fault_of_the_workflow(
    deployer: aiohttp.ClientSession, lasting: aiohttp.ClientSession, stack: Stack, clock: Clock
) -> None:
    await deploy(deployer, "twice", TWICE, outputs=SAVED)

    async def expire(request: object) -> object:
        clock.ahead = 601
        return await answering(401, "{}")(request)  # type: ignore[arg-type]

    stack.misbehave["/v1/nodes/DocumentCreateNode/execute"] = expire  # type: ignore[assignment]
    ended = await until(lasting, await start(deployer, "twice"))
    assert (ended["state"], ended["reason"], ended["detail"]) == ("failed", "token", DETAIL.format("it has expired"))


async def test_a_run_whose_callers_session_is_ended_calls_no_further_node(
    workflow_service: str,
    lasting: aiohttp.ClientSession,
    make_token: MakeToken,
    stack: Stack,
    revoking: RevocationServer,
) -> None:
    headers = {"Authorization": f"Bearer {make_token(sid='s1')}"}
    async with http_client(workflow_service, headers=headers) as client:
        await deploy(client, "twice", TWICE, outputs=SAVED)
        run = await start(client, "twice")
        await until_logged(client, run, 1)
        await revoke_session(revoking.redis, "s1")
        ended = await until(lasting, run)
    assert (ended["state"], ended["reason"]) == ("failed", "token")
    assert ended["detail"] == DETAIL.format("its session was ended")
    assert len(stack.requests["/v1/nodes/DocumentCreateNode/execute"]) == 1
