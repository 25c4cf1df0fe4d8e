"""The official Python SDK as a client of the running server: both transports, both eras."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, ClassVar, Literal

import mcp_types as types
import pytest
from clients.sdk import sdk_client
from mcp.client.client import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.shared.exceptions import MCPError
from stack import Stack, eventually

DOORS = [(transport, mode) for transport in ("http", "websocket") for mode in ("legacy", "auto")]
MODERN = [door for door in DOORS if door[1] == "auto"]

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")


async def _elicit(_context: object, params: Any) -> types.ElicitResult:  # noqa: ANN401  of either kind
    return types.ElicitResult(action="accept", content={"username": "alice", "email": params.message})


type Connect = Callable[[], AbstractAsyncContextManager[Client]]


@pytest.fixture(params=DOORS, ids="-".join)
def connect(request: pytest.FixtureRequest, fixture_service: str, token: str) -> Connect:
    """Connects a client, in the task that uses it: anyio demands that."""
    transport, mode = request.param
    return partial(sdk_client, transport, mode, fixture_service, token, elicitation_callback=_elicit)


def _texts(result: types.CallToolResult) -> list[str]:
    return [block.text for block in result.content if isinstance(block, types.TextContent)]


async def test_the_server_introduces_itself(connect: Connect) -> None:
    async with connect() as sdk:
        assert sdk.server_info is not None
        assert (sdk.server_info.name, sdk.instructions) == (
            "nexus-mcp-server",
            "The fixtures of the conformance suite.",
        )
        assert sdk.server_capabilities.tools is not None


async def test_tools_are_listed_and_called(connect: Connect) -> None:
    async with connect() as sdk:
        listed = [tool.name for tool in (await sdk.list_tools()).tools]
        assert {"test_simple_text", "json_schema_2020_12_tool"} <= set(listed)
        assert _texts(await sdk.call_tool("test_simple_text")) == ["This is a simple text response for testing."]
        failed = await sdk.call_tool("test_error_handling")
        assert (failed.is_error, _texts(failed)) == (True, ["This tool intentionally returns an error for testing"])
        with pytest.raises(MCPError, match="There is no tool 'sing'"):
            await sdk.call_tool("sing")


async def test_resources_are_listed_and_read(connect: Connect) -> None:
    async with connect() as sdk:
        uris = [str(resource.uri) for resource in (await sdk.list_resources()).resources]
        assert "test://static-text" in uris
        read = await sdk.read_resource("test://static-text")
        assert [part.text for part in read.contents if isinstance(part, types.TextResourceContents)] == [
            "This is the content of the static text resource."
        ]
        templates = (await sdk.list_resource_templates()).resource_templates
        assert [template.uri_template for template in templates] == ["test://template/{id}/data"]
        with pytest.raises(MCPError):
            await sdk.read_resource("test://none")


async def test_prompts_are_listed_completed_and_made(connect: Connect) -> None:
    async with connect() as sdk:
        assert "test_prompt_with_arguments" in [prompt.name for prompt in (await sdk.list_prompts()).prompts]
        made = await sdk.get_prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
        content = made.messages[0].content
        assert isinstance(content, types.TextContent)
        assert content.text == "Prompt with arguments: arg1='a', arg2='b'"
        reference = types.PromptReference(type="ref/prompt", name="test_prompt_with_arguments")
        completed = await sdk.complete(reference, {"name": "arg1", "value": "par"})
        assert completed.completion.values == ["paris", "park", "party"]


async def test_progress_arrives_before_the_result(connect: Connect) -> None:
    async with connect() as sdk:
        reports: list[tuple[float, float | None]] = []

        async def note(value: float, total: float | None, _message: str | None) -> None:
            reports.append((value, total))

        assert _texts(await sdk.call_tool("test_tool_with_progress", progress_callback=note)) == [
            "Reported progress three times."
        ]
        await eventually(lambda: reports == [(0, 100), (50, 100), (100, 100)])


async def test_a_tool_asks_the_user_through_the_client(connect: Connect) -> None:
    async with connect() as sdk:
        (text,) = _texts(await sdk.call_tool("test_elicitation", {"message": "a@example.com"}))
        assert text.startswith("The client answered: ")
        assert '"action": "accept"' in text
        assert '"email": "a@example.com"' in text


@pytest.mark.parametrize(("transport", "mode"), DOORS)
async def test_a_call_that_the_client_gives_up_ends_behind_the_server(
    service: str, stack: Stack, token: str, transport: str, mode: str
) -> None:
    stack.delay = 30
    async with sdk_client(transport, mode, service, token) as client:
        calling = asyncio.create_task(client.call_tool("classify_products", {"products": [{"text": "x"}]}))
        await eventually(lambda: "/v1/classify" in stack.requests)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        await eventually(lambda: stack.cancelled == ["/v1/classify"])
        stack.delay = 0
        assert (await client.call_tool("list_products")).is_error is False


class _Created(types.Result):
    """A task, as tools/call returns it."""

    result_type: Literal["task"] = "task"
    task_id: str
    poll_interval_ms: int


class _TaskParams(types.RequestParams):
    task_id: str


class _GetTask(types.Request[_TaskParams, Literal["tasks/get"]]):
    name_param: ClassVar[str] = "taskId"
    method: Literal["tasks/get"] = "tasks/get"
    params: _TaskParams


class _Task(types.Result):
    status: str
    result: dict[str, Any] | None = None


class _Tasks(ClientExtension):
    """The extension io.modelcontextprotocol/tasks, which the SDK leaves to others."""

    identifier = "io.modelcontextprotocol/tasks"

    def __init__(self) -> None:
        self.statuses: list[str] = []

    def claims(self) -> list[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=_Created, resolve=self._resolve)]

    async def _resolve(self, created: _Created, context: ClaimContext) -> types.CallToolResult:
        while True:
            request = _GetTask(params=_TaskParams(task_id=created.task_id))
            task = await context.session.send_request(request, _Task)
            self.statuses.append(task.status)
            if task.status == "completed":
                return types.CallToolResult.model_validate(task.result)
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(("transport", "mode"), MODERN)
async def test_a_call_that_becomes_a_task_is_followed_to_its_result(
    fixture_service: str, token: str, transport: str, mode: str
) -> None:
    tasks = _Tasks()
    async with sdk_client(transport, mode, fixture_service, token, extensions=[tasks]) as client:
        result = await client.call_tool("slow_compute", {"seconds": 0.3, "label": "x"})
    assert _texts(result) == ["computed x"]
    assert (tasks.statuses[0], tasks.statuses[-1]) == ("working", "completed")


@pytest.mark.parametrize(("transport", "mode"), DOORS)
async def test_the_client_agrees_on_the_revision_of_its_era(
    fixture_service: str, token: str, transport: str, mode: str
) -> None:
    async with sdk_client(transport, mode, fixture_service, token) as client:
        assert client.protocol_version == {"legacy": "2025-11-25", "auto": "2026-07-28"}[mode]


@pytest.mark.parametrize(("transport", "mode"), MODERN)
async def test_changes_arrive_by_a_stream_of_notifications(
    fixture_service: str, token: str, transport: str, mode: str
) -> None:
    async with sdk_client(transport, mode, fixture_service, token) as client:
        async with client.listen(tools_list_changed=True) as changes:
            await client.call_tool("test_trigger_tool_change")
            async with asyncio.timeout(20):
                event = await anext(aiter(changes))
        assert type(event).__name__ == "ToolsListChanged"
