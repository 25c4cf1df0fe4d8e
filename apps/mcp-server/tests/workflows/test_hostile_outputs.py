"""Runs whose process says to the runner what it should not: results and log lines that JSON or PostgreSQL cannot have."""

import aiohttp
import asyncpg
import pytest
from conftest import MakeToken
from mcp_clients import HandshakeHttp, call_tool
from stack import SECRET
from workflow_client import arguments_of, code, deploy, draft, get, start, until

from mcp_server.workflows.token_sealer import TokenSealer

pytestmark = pytest.mark.usefixtures("names", "no_workflows")

SAY = draft(
    {"only": code("import os\nos.write(3, said.encode() + b'\\n')\nif last: os._exit(0)\nresult = 'own'")},
    output="only.result",
    inputSchema=arguments_of("said", "last"),
    inputs={"only": {"said": "said", "last": "last"}},
)
"""A workflow whose process writes a line to the runner by itself, and ends, or has a result of its own after it."""

FINISHED = '{{"type": "finished", "outputs": {{"only": {{"result": {}}}}}}}'
LOG = '{{"type": "log", "level": "info", "logger": "x", "message": {}}}'

RESULTS = {
    "a lone surrogate": '"\\ud800"',
    "5000 digits": "9" * 5000,
    "3000 levels": "[" * 3000 + "]" * 3000,
}


@pytest.fixture
async def sayer(deployer: aiohttp.ClientSession) -> aiohttp.ClientSession:
    await deploy(deployer, "say", SAY, arguments={"said": LOG.format('"hello"'), "last": False})
    return deployer


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e999"])
async def test_a_forged_number_that_json_lacks_is_null(sayer: aiohttp.ClientSession, value: str) -> None:
    ended = await until(sayer, await start(sayer, "say", said=FINISHED.format(value), last=True))
    assert (ended["state"], ended["result"], ended["attempts"]) == ("finished", None, 1), ended


@pytest.mark.parametrize("value", RESULTS.values(), ids=RESULTS)
async def test_a_forged_result_that_cannot_be_read_ends_the_run_at_once(
    sayer: aiohttp.ClientSession, value: str
) -> None:
    ended = await until(sayer, await start(sayer, "say", said=FINISHED.format(value), last=True))
    assert (ended["state"], ended["reason"], ended["attempts"]) == ("failed", "message", 1), ended
    assert ended["detail"]


async def test_a_result_with_nul_is_returned_on_each_way(sayer: aiohttp.ClientSession) -> None:
    run = await start(sayer, "say", said=FINISHED.format('"a\\u0000b"'), last=True)
    assert (await until(sayer, run))["result"] == "a\0b"
    found = await call_tool(HandshakeHttp(sayer), "get_workflow_run", run_id=run["run_id"])
    assert found["result"]["structuredContent"]["result"] == {"result": "a\0b"}


async def test_forged_log_lines_are_lines_of_that_run_alone(sayer: aiohttp.ClientSession, schema_url: str) -> None:
    messages = ['"a\\u0000b"', '"\\u001b[2Jx\\r\\n{\\"level\\": \\"error\\"}"', '"\\ud83d\\ude00"']
    run = await start(sayer, "say", said="\n".join(map(LOG.format, messages)), last=False)
    assert (await until(sayer, run))["state"] == "finished"
    lines = (await get(sayer, f"say/runs/{run['run_id']}/logs"))["items"]
    assert [line["message"] for line in lines] == ["a\ufffdb", '\x1b[2Jx\r\n{"level": "error"}', "\U0001f600"]
    connection = await asyncpg.connect(schema_url, server_settings={"app.tenant": "default"})
    assert await connection.fetchval("SELECT count(DISTINCT run_id) FROM workflow_run_logs") == 1
    await connection.close()


@pytest.mark.parametrize("line", ['{"type": "answer", "call": 1}', '{"type": "started"}', "[]", "", '"\\ud800"'])
async def test_a_line_that_is_no_message_of_a_run_ends_it(sayer: aiohttp.ClientSession, line: str) -> None:
    ended = await until(sayer, await start(sayer, "say", said=line, last=False))
    assert (ended["state"], ended["reason"]) == ("failed", "message"), ended


async def test_a_token_that_was_sealed_for_another_run_is_of_no_use(
    sayer: aiohttp.ClientSession, schema_url: str, make_token: MakeToken
) -> None:
    sealed = TokenSealer(SECRET).seal(make_token(subject="admin"), "run.other").hex()
    connection = await asyncpg.connect(schema_url)
    await connection.execute(
        "CREATE FUNCTION swap() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN NEW.token := decode('{sealed}', 'hex'); RETURN NEW; END $$"
    )
    await connection.execute("CREATE TRIGGER swap BEFORE INSERT ON workflow_runs FOR EACH ROW EXECUTE FUNCTION swap()")
    try:
        ended = await until(sayer, await start(sayer, "say", said="{}", last=False))
    finally:
        await connection.execute("DROP FUNCTION swap CASCADE")
        await connection.close()
    assert (ended["state"], ended["reason"]) == ("failed", "token")
    assert ended["detail"] == "The secret with which its caller's access token was sealed has changed."
