"""What mcp-server calls, as small real HTTP servers: the gateway's token endpoint, classification, dataflow.

They check what they are sent as the real ones do, and misbehave on request.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from data_nodes import MODELS, descriptions, run_node, scope_of

from nexus_chassis.tokens import InvalidTokenError, Principal, TokenVerifier
from nexus_testkit import Issuer

SECRET = "s3cret+/% :"
PRODUCT = {"id": 1, "name": "Hex nut M8", "unspsc_code": None, "etim_class": None}

TAXONOMIES = (("unspsc", "26.0"), ("unspsc", "starter"), ("etim", "9.0"))

type Misbehaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Stack:
    """The servers. `misbehave` maps a path to what answers instead; `requests` are those that arrived, by path.

    `delay` and `exchange_delay` are seconds of a classification and of a token exchange.
    `changes` counts changes of rows, and is the version of all.
    `cancelled` are the paths of requests whose client left before the answer.
    """

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.misbehave: dict[str, Misbehaviour] = {}
        self.requests: dict[str, list[dict[str, Any]]] = {}
        self.cancelled: list[str] = []
        self.lifetime = 600
        self.delay = 0.0
        self.exchange_delay = 0.0
        self.url = ""
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.changes = 0

    @property
    def products(self) -> list[dict[str, Any]]:
        """The products in memory."""
        return self.rows.setdefault("Product", [])

    def application(self) -> web.Application:
        """The servers as one application."""

        @web.middleware
        async def perhaps_misbehave(request: web.Request, handler: Misbehaviour) -> web.StreamResponse:
            try:
                return await self.misbehave.get(request.path, handler)(request)
            except asyncio.CancelledError:
                self.cancelled.append(request.path)
                raise

        app = web.Application(middlewares=[perhaps_misbehave])
        app.router.add_post("/oauth/token", self._token)
        app.router.add_post("/v1/classify", self._classify)
        app.router.add_get("/v1/product", self._products)
        app.router.add_get("/v1/product/{id}", self._product)
        app.router.add_post("/v1/{model}/query", self._query)
        app.router.add_get("/v1/{model}/{id}", self._row)
        app.router.add_patch("/v1/{model}/{id}", self._update)
        app.router.add_delete("/v1/{model}/{id}", self._delete)
        app.router.add_get("/v1/nodes", self._nodes)
        app.router.add_post("/v1/nodes/{name}/execute", self._execute)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{name}", self._model)
        app.router.add_get("/v1/taxonomies", self._taxonomies)
        app.router.add_get("/v1/taxonomies/{name}/{version}/codes/{code}", self._code)
        app.router.add_get("/v1/taxonomies/{name}/{version}/search", self._search)
        app.router.add_get("/readyz", self._ready)
        return app

    def _note(self, request: web.Request, **facts: object) -> None:
        self.requests.setdefault(request.path, []).append(facts)

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = dict(await request.post())
        self._note(request, form=form, traceparent=request.headers.get("traceparent"))
        await asyncio.sleep(self.exchange_delay)
        expected = "Basic " + base64.b64encode(b"mcp-server:s3cret%2B%2F%25+%3A").decode()
        if request.headers.get("Authorization") != expected:
            return web.json_response({"error": "invalid_client"}, status=401)
        principal = await self._principal("mcp-server", str(form["subject_token"]))
        if form["scope"] not in principal.scopes:
            return web.json_response({"error": "invalid_scope", "error_description": "The token lacks it."}, status=400)
        token = self.issuer.mint(str(form["audience"]), [str(form["scope"])], subject=principal.subject)
        kind = {"token_type": "Bearer", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}
        return web.json_response({"access_token": token, "expires_in": self.lifetime, **kind})

    async def _principal(self, audience: str, token: str) -> Principal:
        return await TokenVerifier(self.issuer.url, audience, self.issuer.jwks_url).verify(token)

    async def _principal_of(self, request: web.Request, audience: str) -> Principal:
        try:
            return await self._principal(audience, request.headers["Authorization"].removeprefix("Bearer "))
        except InvalidTokenError as error:
            raise web.HTTPUnauthorized(text=str(error)) from None

    async def _classify(self, request: web.Request) -> web.StreamResponse:
        principal = await self._principal_of(request, "classification-service")
        body = await request.json()
        self._note(request, subject=principal.subject, body=body, traceparent=request.headers.get("traceparent"))
        await asyncio.sleep(self.delay)
        items = [classified(index, item) for index, item in enumerate(body["items"])]
        return web.json_response({"taxonomy": body["taxonomy"], "version": "starter", "items": items})

    async def _products(self, request: web.Request) -> web.StreamResponse:
        principal = await self._principal_of(request, "dataflow-service")
        self._note(request, subject=principal.subject, query=dict(request.query))
        return web.json_response({"items": [PRODUCT], "next": None})

    async def _product(self, request: web.Request) -> web.StreamResponse:
        await self._principal_of(request, "dataflow-service")
        if request.match_info["id"] == "1":
            return web.json_response(PRODUCT)
        problem = {"title": "There is no such row", "status": 404, "detail": "There is no product with the id 2."}
        return web.json_response(problem, status=404, content_type="application/problem+json")

    async def _query(self, request: web.Request) -> web.StreamResponse:
        await self._principal_of(request, "dataflow-service")
        self._note(request, body=(body := await request.json()))
        return web.json_response(run_node(self.rows, f"{_model_of(request)}ListNode", body))

    async def _row(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(await self._row_of(request), headers={"ETag": f'"{self.changes}"'})

    async def _update(self, request: web.Request) -> web.StreamResponse:
        row = await self._row_to_change(request)
        row.update(await request.json())
        return web.json_response(row)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        self.rows[_model_of(request)].remove(await self._row_to_change(request))
        return web.Response(status=204)

    async def _row_to_change(self, request: web.Request) -> dict[str, Any]:
        row = await self._row_of(request)
        if request.headers.get("If-Match", tag := f'"{self.changes}"') != tag:
            problem = {"title": "The row has changed", "status": 412, "detail": "It was changed since it was read."}
            raise web.HTTPPreconditionFailed(text=json.dumps(problem), content_type="application/problem+json")
        self.changes += 1
        return row

    async def _row_of(self, request: web.Request) -> dict[str, Any]:
        principal = await self._principal_of(request, "dataflow-service")
        self._note(request, scopes=set(principal.scopes), path=request.raw_path)
        for row in self.rows.get(_model_of(request), []):
            if str(row["id"]) == request.match_info["id"]:
                return row
        problem = {"title": "There is no such row", "status": 404, "detail": "No row has this id."}
        raise web.HTTPNotFound(text=json.dumps(problem), content_type="application/problem+json")

    async def _nodes(self, request: web.Request) -> web.StreamResponse:
        await self._principal_of(request, "dataflow-service")
        return web.json_response({"items": descriptions()})

    async def _execute(self, request: web.Request) -> web.StreamResponse:
        """Run a node on the rows in memory."""
        principal = await self._principal_of(request, "dataflow-service")
        name = request.match_info["name"]
        if scope_of(name) not in principal.scopes:
            raise web.HTTPForbidden(text="The token lacks the scope.")
        parameters = (await request.json())["parameters"]
        self._note(request, subject=principal.subject, parameters=parameters)
        return web.json_response(run_node(self.rows, name, parameters))

    async def _models(self, request: web.Request) -> web.StreamResponse:
        await self._principal_of(request, "dataflow-service")
        return web.json_response({"items": [{"name": "Product"}, {"name": "Price"}]})

    async def _model(self, request: web.Request) -> web.StreamResponse:
        await self._principal_of(request, "dataflow-service")
        return web.json_response({"name": request.match_info["name"], "path": request.raw_path})

    async def _taxonomies(self, request: web.Request) -> web.StreamResponse:
        await self._principal_of(request, "classification-service")
        loaded = [{"name": name, "version": version} for name, version in TAXONOMIES]
        return web.json_response({"taxonomies": loaded})

    async def _code(self, request: web.Request) -> web.StreamResponse:
        await self._principal_of(request, "classification-service")
        return web.json_response(dict(request.match_info))

    async def _search(self, request: web.Request) -> web.StreamResponse:
        await self._principal_of(request, "classification-service")
        self._note(request, query=dict(request.query))
        found = {"code": "31161700", "level": "class", "title": "Nuts"}
        return web.json_response({"items": [found], "next": None})

    async def _ready(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok"})


async def eventually(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds; fails after 10 seconds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is awaited happens in the server under test
            await asyncio.sleep(0.02)


def _model_of(request: web.Request) -> str:
    return {model.lower(): model for model in MODELS}[request.match_info["model"]]


def answering(status: int = 200, text: str = "", kind: str = "application/json") -> Misbehaviour:
    """Answer with this instead."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, content_type=kind)

    return answer


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Close the connection instead of answering."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def classified(index: int, item: dict[str, Any]) -> dict[str, Any]:
    """The result for one item, in the form of classification-service."""
    candidate = {"code": "31161700", "title": "Nuts", "confidence": 0.75}
    return {"index": index, "id": item.get("id"), **candidate, "level": "class", "candidates": [candidate]}


@asynccontextmanager
async def running(stack: Stack, port: int = 0) -> AsyncIterator[Stack]:
    """Serve the stack on 127.0.0.1."""
    runner = web.AppRunner(stack.application(), shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    stack.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield stack
    finally:
        await runner.cleanup()
