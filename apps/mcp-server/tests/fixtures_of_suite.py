"""What the conformance suite expects a server to have, by the names in its own code."""

import asyncio
import json
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI

from mcp_server.app import create_app
from mcp_server.catalogue import Catalogue
from mcp_server.errors import AgentFacingError
from mcp_server.notices import topics
from mcp_server.notices.service import Notices
from mcp_server.prompts.registry import Argument, Message, Prompt, user_message
from mcp_server.protocol.errors import INTERNAL_ERROR, RpcError
from mcp_server.protocol.messages import InputRequired, text_content
from mcp_server.resources.registry import Resource, Template
from mcp_server.tools.registry import Arguments, Content, Tool
from mcp_server.tools.request import Request

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA="
NONE: dict[str, Any] = {"type": "object", "properties": {}}
IMAGE = {"type": "image", "data": PNG, "mimeType": "image/png"}

type Run = Callable[[Arguments, Request], Awaitable[Any]]


def application() -> FastAPI:
    """The service with the fixtures, and settings from the environment."""
    return create_app(None, lambda _upstreams, notices: catalogue(notices))


def catalogue(notices: Notices) -> Catalogue:
    """Everything that the suite calls."""
    return Catalogue(
        tools=[*_contents(), *_notifying(), *_asking(), *_changing(notices), *_headers(), *_tasks()],
        resources=_resources(),
        templates=[_template()],
        prompts=_prompts(),
        instructions="The fixtures of the conformance suite.",
    )


def _tool(name: str, run: Run, schema: dict[str, Any] | None = None, **options: Any) -> Tool:  # noqa: ANN401  those of Tool
    return Tool(name, name, f"The fixture {name}.", schema or NONE, None, frozenset(), run, **options)


def _texts(*texts: str) -> Content:
    return Content([text_content(text) for text in texts])


def _fixed(*blocks: dict[str, Any]) -> Run:
    async def run(_arguments: Arguments, _request: Request) -> Content:
        return Content(list(blocks))

    return run


def _embedded(uri: str, mime_type: str, text: str) -> dict[str, Any]:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime_type, "text": text}}


def _contents() -> list[Tool]:
    async def fail(_arguments: Arguments, _request: Request) -> Content:
        raise AgentFacingError("This tool intentionally returns an error for testing")

    mixed = _embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')
    return [
        _tool("test_simple_text", _fixed(text_content("This is a simple text response for testing."))),
        _tool("test_image_content", _fixed(IMAGE)),
        _tool("test_audio_content", _fixed({"type": "audio", "data": WAV, "mimeType": "audio/wav"})),
        _tool(
            "test_embedded_resource",
            _fixed(_embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")),
        ),
        _tool("test_multiple_content_types", _fixed(text_content("Multiple content types test:"), IMAGE, mixed)),
        _tool("test_error_handling", fail),
        _tool("json_schema_2020_12_tool", _fixed(text_content("ok")), _SCHEMA_2020_12),
    ]


_SCHEMA_2020_12: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def _notifying() -> list[Tool]:
    async def log(_arguments: Arguments, request: Request) -> Content:
        for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await request.log("info", text)
            await asyncio.sleep(0.05)
        return _texts("Logged three times.")

    async def progress(_arguments: Arguments, request: Request) -> Content:
        for value in (0, 50, 100):
            await request.progress(value, 100)
            await asyncio.sleep(0.05)
        return _texts("Reported progress three times.")

    return [
        _tool("test_tool_with_logging", log),
        _tool("test_logging_tool", log),
        _tool("test_tool_with_progress", progress),
    ]


def _elicit(message: str, properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": dict(properties), "required": list(required or properties)}
    return {"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}


def _sample(text: str, tokens: int = 100) -> dict[str, Any]:
    content = {"role": "user", "content": {"type": "text", "text": text}}
    return {"method": "sampling/createMessage", "params": {"messages": [content], "maxTokens": tokens}}


ROOTS: dict[str, Any] = {"method": "roots/list", "params": {}}
NAME = {"name": {"type": "string"}}


def _asks(requests: Mapping[str, Any], answer: Callable[[Mapping[str, Any]], str], state: object = None) -> Run:
    """A tool that needs answers to requests, and then returns a text about them."""

    async def run(_arguments: Arguments, request: Request) -> Content | InputRequired:
        missing = {key: it for key, it in requests.items() if key not in request.responses}
        if missing or (state is not None and request.state != state):
            return InputRequired(missing or dict(requests), state)
        return _texts(answer(request.responses))

    return run


def _completed(responses: Mapping[str, Any]) -> str:
    answer = responses["input"]
    return f"Elicitation completed: action={answer.get('action')}, content={json.dumps(answer.get('content'))}"


def _asking() -> list[Tool]:
    name = {"user_name": _elicit("What is your name?", NAME)}
    greeting = {"greeting": _sample("Generate a greeting", 50), "client_roots": ROOTS}
    confirm = {"confirm": _elicit("Please confirm", {"ok": {"type": "boolean"}})}
    prefix = "test_input_required_result_"
    return [
        _tool("test_sampling", _prompted("prompt", _sample)),
        _tool("test_elicitation", _prompted("message", _elicit_user)),
        _tool("test_elicitation_sep1034_defaults", _asks({"input": _elicit("Defaults", _DEFAULTS)}, _completed)),
        _tool("test_elicitation_sep1330_enums", _asks({"input": _elicit("Enums", _ENUMS)}, _completed)),
        _tool("test_missing_capability", _asks({"input": _sample("Say hello")}, lambda _: "sampled")),
        _tool("test_streaming_elicitation", _asks({"input": _elicit("Go on?", NAME)}, lambda _: "went on")),
        _tool(f"{prefix}elicitation", _asks(name, lambda got: f"Hello, {_content(got['user_name'])['name']}!")),
        _tool(
            f"{prefix}sampling",
            _asks({"capital_question": _sample("What is the capital of France?")}, _sampled),
        ),
        _tool(f"{prefix}list_roots", _asks({"client_roots": ROOTS}, lambda got: json.dumps(got["client_roots"]))),
        _tool(f"{prefix}request_state", _asks(confirm, lambda _: "state-ok", {"step": 1})),
        _tool(f"{prefix}multiple_inputs", _asks({**name, **greeting}, lambda got: json.dumps(dict(got)), {"step": 1})),
        _tool(f"{prefix}multi_round", _two_rounds),
        _tool(f"{prefix}tampered_state", _asks(confirm, lambda _: "state-ok", {"step": 1})),
        _tool(f"{prefix}capabilities", _ask_what_is_possible),
    ]


def _elicit_user(message: str) -> dict[str, Any]:
    return _elicit(message, {"username": {"type": "string"}, "email": {"type": "string"}})


def _prompted(argument: str, make: Callable[[str], dict[str, Any]]) -> Run:
    async def run(arguments: Arguments, request: Request) -> Content | InputRequired:
        if "input" not in request.responses:
            return InputRequired({"input": make(str(arguments.get(argument, "Go on?")))})
        return _texts(f"The client answered: {json.dumps(request.responses['input'])}")

    return run


def _content(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    content = answer.get("content")
    return content if isinstance(content, dict) else {"name": "nobody"}


def _sampled(responses: Mapping[str, Any]) -> str:
    return str(responses["capital_question"]["content"]["text"])


async def _two_rounds(_arguments: Arguments, request: Request) -> Content | InputRequired:
    state = request.state or {}
    if "step1" in request.responses:
        asked = _elicit("Step 2: What is your favorite color?", {"color": {"type": "string"}})
        return InputRequired({"step2": asked}, {"name": _content(request.responses["step1"])["name"]})
    if "step2" in request.responses and "name" in state:
        return _texts(f"{state['name']} likes {_content(request.responses['step2'])['color']}.")
    return InputRequired({"step1": _elicit("Step 1: What is your name?", NAME)}, {"step": 1})


async def _ask_what_is_possible(_arguments: Arguments, request: Request) -> Content | InputRequired:
    possible = {"elicitation": _elicit("Name?", NAME), "sampling": _sample("Hello"), "roots": ROOTS}
    requests = {key: it for key, it in possible.items() if key in request.capabilities and key not in request.responses}
    return InputRequired(requests) if requests else _texts("Nothing is missing.")


_DEFAULTS: dict[str, Any] = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True},
}
_TITLED = [
    {"const": "value1", "title": "First"},
    {"const": "value2", "title": "Second"},
    {"const": "value3", "title": "Third"},
]
_ENUMS: dict[str, Any] = {
    "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
    "titledSingle": {"type": "string", "oneOf": _TITLED},
    "legacyEnum": {
        "type": "string",
        "enum": ["opt1", "opt2", "opt3"],
        "enumNames": ["Option One", "Option Two", "Option Three"],
    },
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
    "titledMulti": {"type": "array", "items": {"anyOf": _TITLED}},
}


def _changing(notices: Notices) -> list[Tool]:
    def change(topic: str) -> Run:
        async def run(_arguments: Arguments, _request: Request) -> Content:
            await notices.publish(topic)
            return _texts("changed")

        return run

    return [
        _tool("test_trigger_tool_change", change(topics.TOOLS)),
        _tool("test_trigger_prompt_change", change(topics.PROMPTS)),
        _tool("test_trigger_resource_change", change(topics.resource("test://watched-resource"))),
    ]


def _headers() -> list[Tool]:
    schema = {
        "type": "object",
        "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "count": {"type": "integer", "x-mcp-header": "Count"},
        },
    }
    return [_tool("test_headers", _fixed(text_content("ok")), schema)]


def _tasks() -> list[Tool]:
    async def greet(arguments: Arguments, _request: Request) -> Content:
        return _texts(f"Hello, {arguments.get('name', 'World')}!")

    async def slow_compute(arguments: Arguments, _request: Request) -> Content:
        await asyncio.sleep(arguments.get("seconds", 0))
        return _texts(f"computed {arguments.get('label', '')}")

    async def failing_job(_arguments: Arguments, _request: Request) -> Content:
        raise AgentFacingError("The job failed")

    async def protocol_error_job(_arguments: Arguments, _request: Request) -> Content:
        raise RpcError(INTERNAL_ERROR, "The job broke the protocol")

    async def greet_user(_arguments: Arguments, request: Request) -> Content:
        return _texts(f"Hello, {_content(request.responses['user_name'])['name']}!")

    async def ask_name(_arguments: Arguments, request: Request) -> InputRequired | None:
        if "user_name" in request.responses:
            return None
        return InputRequired({"user_name": _elicit("What is your name?", NAME)}, {"round": 1})

    confirm = {"confirm": _elicit("Delete the file?", {"confirm": {"type": "boolean"}})}
    both = {"first": _elicit("First name?", NAME), "second": _elicit("Second name?", NAME)}
    return [
        _tool("greet", greet),
        _tool("slow_compute", slow_compute, task="optional"),
        _tool("failing_job", failing_job, task="required"),
        _tool("protocol_error_job", protocol_error_job, task="required"),
        _tool("confirm_delete", _asks(confirm, lambda got: f"deleted: {json.dumps(dict(got))}"), task="optional"),
        _tool("multi_input", _asks(both, lambda got: f"got {json.dumps(dict(got))}"), task="optional"),
        _tool("test_tool_with_task", greet_user, task="required", prepare=ask_name),
    ]


def _resources() -> list[Resource]:
    def fixed(body: str | bytes) -> Callable[[Request], Awaitable[str | bytes]]:
        async def read(_request: Request) -> str | bytes:
            return body

        return read

    bodies: dict[str, tuple[str, str | bytes]] = {
        "test://static-text": ("text/plain", "This is the content of the static text resource."),
        "test://static-binary": ("image/png", b64decode(PNG)),
        "test://watched-resource": ("text/plain", "This resource may change."),
        "test://example-resource": ("text/plain", "An example."),
    }
    return [
        Resource(uri=uri, name=uri, title=uri, description=uri, mime_type=mime_type, read=fixed(body))
        for uri, (mime_type, body) in bodies.items()
    ]


def _template() -> Template:
    async def read(values: Mapping[str, str], _request: Request) -> str:
        return json.dumps({"id": values["id"], "templateTest": True, "data": f"Data for ID: {values['id']}"})

    return Template(
        uri_template="test://template/{id}/data",
        name="template",
        title="Template",
        description="A template.",
        mime_type="application/json",
        read=read,
    )


def _prompts() -> list[Prompt]:
    async def simple(_arguments: dict[str, str], _request: Request) -> list[Message]:
        return [user_message("This is a simple prompt for testing.")]

    async def with_arguments(arguments: dict[str, str], _request: Request) -> list[Message]:
        return [user_message(f"Prompt with arguments: arg1='{arguments['arg1']}', arg2='{arguments['arg2']}'")]

    async def with_resource(arguments: dict[str, str], _request: Request) -> list[Message]:
        embedded = _embedded(arguments["resourceUri"], "text/plain", "Embedded resource content for testing.")
        return [{"role": "user", "content": embedded}, user_message("Please process the embedded resource above.")]

    async def with_image(_arguments: dict[str, str], _request: Request) -> list[Message]:
        return [{"role": "user", "content": IMAGE}, user_message("Please analyze the image above.")]

    async def asking(_arguments: dict[str, str], request: Request) -> list[Message] | InputRequired:
        if "user_context" not in request.responses:
            asked = _elicit("What context should the prompt use?", {"context": {"type": "string"}})
            return InputRequired({"user_context": asked})
        return [user_message(f"Context: {json.dumps(request.responses['user_context'])}")]

    async def complete(begin: str, _request: Request) -> list[str]:
        return [value for value in ("testing", "paris", "park", "party") if value.startswith(begin)]

    arguments = (
        Argument(name="arg1", description="First", required=True, complete=complete),
        Argument(name="arg2", description="Second", required=True),
    )
    uri = (Argument(name="resourceUri", description="URI", required=True),)
    return [
        Prompt(name="test_simple_prompt", title="Simple", description="Simple", make=simple),
        Prompt(
            name="test_prompt_with_arguments",
            title="Arguments",
            description="Arguments",
            make=with_arguments,
            arguments=arguments,
        ),
        Prompt(
            name="test_prompt_with_embedded_resource",
            title="Resource",
            description="Resource",
            make=with_resource,
            arguments=uri,
        ),
        Prompt(name="test_prompt_with_image", title="Image", description="Image", make=with_image),
        Prompt(name="test_input_required_result_prompt", title="Asks", description="Asks", make=asking),
    ]
