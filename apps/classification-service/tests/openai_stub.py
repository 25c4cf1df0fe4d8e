"""A server with the part of OpenAI's API that the service uses: chat completions, files, batches. It also misbehaves, as told.

Faithful: bearer keys, error bodies, rate-limit headers, usage figures, strict schemas, the life of a batch, results in another
order than the requests. `faults` are played one per request, `always` at each one.
"""

import asyncio
import json
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web

KEY = "sk-stub-0123456789abcdef"
MODEL = "stub-model"
_KNOWN = {"model", "messages", "response_format", "max_completion_tokens", "max_tokens"}

type Fault = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


@dataclass
class OpenAiStub:
    """What the server does, and what it was asked. `choose` decides on a document of the prompt."""

    url: str = ""
    choose: Callable[[dict[str, Any]], int] = lambda _: 1
    faults: deque[Fault] = field(default_factory=deque)
    always: Fault | None = None
    refuses: set[str] = field(default_factory=set)
    """Parameters, or forms of responses, that an older server does not know."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    spoil: Callable[[list[str]], list[str]] = lambda lines: lines
    """What becomes of the lines of a batch's output."""
    statuses: tuple[str, ...] = ("validating", "in_progress", "finalizing", "completed")
    """What a batch is, one after the other, each time that it is looked at."""

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The documents that it was sent as user messages."""
        return [json.loads(body["messages"][1]["content"]) for body in self.bodies]


def error(status: int, message: str, *, code: str | None = None, headers: dict[str, str] | None = None) -> Fault:
    """An error as OpenAI's."""

    async def respond(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        return _error(status, message, code, headers)

    return respond


def _error(status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None) -> web.Response:
    kind = "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
    document = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return web.json_response(document, status=status, headers=headers)


def message(content: str | None, *, finish: str = "stop", refusal: str | None = None, usage: object = ...) -> Fault:
    """A completion with this content."""

    async def respond(_: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        document = completion(body, content, finish=finish, refusal=refusal)
        return web.json_response(document if usage is ... else {**document, "usage": usage})

    return respond


def raw(content: bytes) -> Fault:
    """A success with any bytes."""

    async def respond(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        return web.Response(body=content, content_type="application/json")

    return respond


async def hang(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
    """No answer."""
    await asyncio.sleep(3600)
    raise AssertionError("nobody waits so long")


async def drip(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """A good answer, some bytes at a time, so that it takes minutes."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for byte in json.dumps(completion(body, '{"number": 1}')).encode():
        await response.write(bytes([byte]))
        await asyncio.sleep(0.5)
    return response


async def reset(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
    """The connection ends without an answer."""
    if request.transport is not None:
        request.transport.abort()
    await asyncio.sleep(0)
    raise ConnectionResetError


async def cut_off(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
    """The connection ends in the middle of an answer."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "500"})
    await response.prepare(request)
    await response.write(b'{"choices": [{"message": {"content": "{\\"number\\"')
    if request.transport is not None:
        request.transport.abort()
    return response


def completion(
    body: dict[str, Any], content: str | None, *, finish: str = "stop", refusal: str | None = None
) -> dict[str, Any]:
    """A completion as OpenAI's, with figures for the text of the request."""
    given = len(json.dumps(body)) // 4
    made = len(content or refusal or "") // 4 + 1
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": refusal, "annotations": []},
                "logprobs": None,
                "finish_reason": finish,
            }
        ],
        "usage": {
            "prompt_tokens": given,
            "completion_tokens": made,
            "total_tokens": given + made,
            "prompt_tokens_details": {"cached_tokens": 128, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


class _Server:
    """The routes."""

    def __init__(self, stub: OpenAiStub) -> None:
        self.stub = stub
        self.app = web.Application(middlewares=[self._authorize], client_max_size=1 << 28)
        self.app.add_routes(
            [
                web.post("/v1/chat/completions", self.complete),
                web.post("/v1/files", self.upload),
                web.get("/v1/files/{id}/content", self.download),
                web.post("/v1/batches", self.create_batch),
                web.get("/v1/batches", self.list_batches),
                web.get("/v1/batches/{id}", self.get_batch),
                web.post("/v1/batches/{id}/cancel", self.cancel_batch),
            ]
        )

    @web.middleware
    async def _authorize(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return _error(401, "Incorrect API key provided: sk-****. Find yours in the settings.", "invalid_api_key")
        return await handler(request)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        stub = self.stub
        stub.bodies.append(body)
        stub.headers.append({name.lower(): value for name, value in request.headers.items()})
        stub.under_way += 1
        stub.most_under_way = max(stub.most_under_way, stub.under_way)
        try:
            fault = stub.faults.popleft() if stub.faults else stub.always
            return await (fault(request, body) if fault else self._answer(body))
        finally:
            stub.under_way -= 1

    async def _answer(self, body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(0)
        if refused := self._refusal(body):
            return refused
        headers = {"x-ratelimit-remaining-requests": "99", "x-request-id": "req_1"}
        return web.json_response(self.answer(body), headers=headers)

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The completion of a good request: of the numbers that its schema allows, if it has one."""
        number = self.stub.choose(json.loads(body["messages"][1]["content"]))
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        if schema and number not in schema["properties"]["number"]["enum"]:
            raise AssertionError(f"a faithful server never answers {number}")
        return completion(body, json.dumps({"number": number}))

    def _refusal(self, body: dict[str, Any]) -> web.Response | None:
        if unknown := body.keys() - _KNOWN:
            return _error(400, f"Unrecognized request argument supplied: {', '.join(unknown)}")
        form = body.get("response_format", {}).get("type")
        if form in self.stub.refuses:
            text = f"Invalid parameter: 'response_format' of type '{form}' is not supported with this model."
            return _error(400, text)
        for name in self.stub.refuses & body.keys():
            return _error(400, f"Unsupported parameter: '{name}' is not supported with this model.", "unsupported")
        if body["model"] != MODEL:
            return _error(404, f"The model `{body['model']}` does not exist or you do not have access to it.")
        return None

    async def upload(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        file = form["file"]
        if form["purpose"] != "batch" or not isinstance(file, web.FileField):
            return _error(400, "a file for the purpose batch is expected")
        name = f"file-{len(self.stub.files) + 1}"
        self.stub.files[name] = file.file.read()
        size = len(self.stub.files[name])
        document = {"id": name, "object": "file", "bytes": size, "filename": file.filename, "purpose": "batch"}
        return web.json_response({**document, "created_at": 1_700_000_000, "status": "processed"})

    async def download(self, request: web.Request) -> web.StreamResponse:
        if (content := self.stub.files.get(request.match_info["id"])) is None:
            return _error(404, f"No such File object: {request.match_info['id']}")
        return web.Response(body=content, content_type="application/octet-stream")

    async def create_batch(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body["input_file_id"] not in self.stub.files:
            return _error(400, "The input file does not exist.")
        name = f"batch_{len(self.stub.batches) + 1}"
        self.stub.batches[name] = {
            "id": name,
            "object": "batch",
            "endpoint": body["endpoint"],
            "completion_window": body["completion_window"],
            "created_at": 1_700_000_000,
            "input_file_id": body["input_file_id"],
            "metadata": body.get("metadata"),
            "status": self.stub.statuses[0],
            "output_file_id": None,
            "error_file_id": None,
            "errors": None,
            "looks": 0,
        }
        return self._batch(name)

    async def list_batches(self, request: web.Request) -> web.StreamResponse:
        names = list(self.stub.batches)[::-1]
        start = names.index(request.query["after"]) + 1 if "after" in request.query else 0
        page = names[start : start + int(request.query.get("limit", "20"))]
        data = [self.stub.batches[name] for name in page]
        more = bool(names[start + len(page) :])
        first, last = (page[0], page[-1]) if page else (None, None)
        return web.json_response({"object": "list", "data": data, "has_more": more, "first_id": first, "last_id": last})

    async def get_batch(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["id"]
        if (batch := self.stub.batches.get(name)) is None:
            return _error(404, f"No batch found with id '{name}'.")
        if batch["status"] == "cancelling":
            self._finish(batch, "cancelled")
        elif batch["status"] not in {"cancelled", "completed", "failed", "expired"}:
            batch["looks"] += 1
            status = self.stub.statuses[min(batch["looks"], len(self.stub.statuses) - 1)]
            batch["status"] = status
            if status in {"completed", "expired"}:
                self._finish(batch, status)
        return self._batch(name)

    async def cancel_batch(self, request: web.Request) -> web.StreamResponse:
        batch = self.stub.batches[request.match_info["id"]]
        batch["status"] = "cancelling"
        return self._batch(batch["id"])

    def _batch(self, name: str) -> web.Response:
        batch = self.stub.batches[name]
        return web.json_response({key: value for key, value in batch.items() if key != "looks"})

    def _finish(self, batch: dict[str, Any], status: str) -> None:
        batch["status"] = status
        requests = [json.loads(line) for line in self.stub.files[batch["input_file_id"]].splitlines()]
        lines = [json.dumps(self._result(request)) for request in requests]
        random.Random(1).shuffle(lines)  # noqa: S311  OpenAI promises no order
        name = f"file-{len(self.stub.files) + 1}"
        self.stub.files[name] = "\n".join(self.stub.spoil(lines)).encode()
        batch["output_file_id"] = name

    def _result(self, request: dict[str, Any]) -> dict[str, Any]:
        response = {"status_code": 200, "request_id": "req_1", "body": self.answer(request["body"])}
        return {"id": "batch_req_1", "custom_id": request["custom_id"], "response": response, "error": None}


@asynccontextmanager
async def running_openai() -> AsyncIterator[OpenAiStub]:
    """The server on a free port of 127.0.0.1."""
    stub = OpenAiStub()
    runner = web.AppRunner(_Server(stub).app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield stub
    finally:
        await runner.cleanup()
