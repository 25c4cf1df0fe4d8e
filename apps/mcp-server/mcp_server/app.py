"""The application: tools, resources and prompts, reached by MCP over HTTP and WebSocket. Everything is wired here."""

import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import aiohttp
from fastapi import FastAPI
from redis.asyncio import Redis

from mcp_server import __version__
from mcp_server.catalogue import Catalogue
from mcp_server.completion.handlers import CompletionHandlers
from mcp_server.context import Context
from mcp_server.discovery import endpoints as discovery_endpoints
from mcp_server.discovery.service import ResourceMetadata
from mcp_server.dispatch.elsewhere import CANCEL, REPLY, Elsewhere
from mcp_server.dispatch.in_flight import InFlight
from mcp_server.dispatch.logging import set_level
from mcp_server.dispatch.questions import Questions
from mcp_server.dispatch.router import MethodRouter
from mcp_server.dispatch.streams import Streams
from mcp_server.limits import LIMITS
from mcp_server.notices import topics
from mcp_server.notices.listen import SubscriptionHandlers
from mcp_server.notices.service import Notices
from mcp_server.problems import PROBLEMS
from mcp_server.prompts.handlers import PromptHandlers
from mcp_server.prompts.service import PromptService
from mcp_server.prompts.stack import stack_prompts
from mcp_server.protocol.capabilities import TASKS
from mcp_server.protocol.request_state import StateSealer
from mcp_server.resources.handlers import ResourceHandlers
from mcp_server.resources.service import ResourceService
from mcp_server.resources.stack import StackResources
from mcp_server.resources.workflows import WorkflowResources
from mcp_server.sessions import endpoints as session_endpoints
from mcp_server.sessions.repository import SessionRepository
from mcp_server.sessions.service import ENDED, IDLE_SECONDS, SessionService
from mcp_server.settings import MIGRATIONS, Settings
from mcp_server.tasks.all import AllTasks
from mcp_server.tasks.handlers import TaskHandlers
from mcp_server.tasks.repository import TaskRepository
from mcp_server.tasks.service import TaskService
from mcp_server.tools import endpoints as tool_endpoints
from mcp_server.tools.builtin.classification import classification_tools
from mcp_server.tools.builtin.products import product_tools
from mcp_server.tools.builtin.rows import RowTools
from mcp_server.tools.builtin.taxonomies import TaxonomyTools
from mcp_server.tools.catalogues import Catalogues
from mcp_server.tools.handlers import ToolHandlers
from mcp_server.tools.management import ToolManagement
from mcp_server.tools.registered import ToolMaker
from mcp_server.tools.registry import ToolRegistry
from mcp_server.tools.rounds import UsedRounds
from mcp_server.tools.service import ToolService
from mcp_server.transports import http, websocket
from mcp_server.transports.auth import SCOPE, Authenticator, Hosts
from mcp_server.upstream.client import Upstream
from mcp_server.upstream.hosts import Allowlist
from mcp_server.upstream.rate_limits import CallLimiter
from mcp_server.upstream.rates import RateClasses
from mcp_server.upstream.secrets import ToolSecrets
from mcp_server.upstream.token_exchange import TokenExchange
from mcp_server.upstream.tool_http import ToolHttp, create_outside_session
from mcp_server.workflows import endpoints as workflow_endpoints
from mcp_server.workflows import run_endpoints
from mcp_server.workflows.agent_tools import AgentTools
from mcp_server.workflows.awaited_runs import AwaitedRuns
from mcp_server.workflows.descriptions import WorkflowDescriptions
from mcp_server.workflows.execution import WorkflowRunner
from mcp_server.workflows.external_nodes import ExternalNodes
from mcp_server.workflows.reader import WorkflowReader
from mcp_server.workflows.run_execution import RunExecutor
from mcp_server.workflows.run_service import QUEUED, RunService
from mcp_server.workflows.run_tasks import RunTasks
from mcp_server.workflows.run_tools import WorkflowTools
from mcp_server.workflows.run_worker import RunWorker
from mcp_server.workflows.service import WorkflowService
from mcp_server.workflows.token_sealer import TokenSealer
from nexus_chassis.app import Lifespan, build_app
from nexus_chassis.background import in_background
from nexus_chassis.health import Health
from nexus_chassis.http import create_http_session
from nexus_chassis.origins import Origins
from nexus_chassis.postgres import open_database
from nexus_chassis.redis import check as check_redis
from nexus_chassis.redis import create_follower, create_redis
from nexus_chassis.revocations import Revocations, follow_revocations
from nexus_chassis.runtime import Runtime, runtime_of
from nexus_chassis.settings import load, read_secret
from nexus_chassis.tokens import TokenVerifier
from nexus_chassis.unit_of_work import Database

# Longest calls of the services; those of the last two agree with the gateway's routes.
GATEWAY_SECONDS = 5.0
CLASSIFICATION_SECONDS = 120.0
DATAFLOW_SECONDS = 30.0

_CAPABILITIES = {
    "tools": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": True},
    "prompts": {"listChanged": True},
    "completions": {},
    "logging": {},
}
_INSTRUCTIONS = (
    "Tools over this company's product data. classify_products returns UNSPSC or ETIM codes with confidence; "
    "search_codes and get_code read the taxonomies; list_products and get_product read the stored products, list_models, "
    "query_rows and get_row all stored data, and create_row, update_row and delete_row change it; list_workflows and get_workflow "
    "show the workflows that run_workflow runs."
)


@dataclass(frozen=True, slots=True)
class Upstreams:
    """The other services of the stack."""

    gateway: Upstream
    classification: Upstream
    dataflow: Upstream


type MakeCatalogue = Callable[[Upstreams, "Notices"], Catalogue]


def create_app(settings: Settings | None = None, make_catalogue: MakeCatalogue | None = None) -> FastAPI:
    """Make the application; without `settings` they are read from the environment.

    `make_catalogue` returns what is offered; without it, that is what works on the stack.
    """
    settings = settings or load(Settings)
    health = Health(settings.service_name, __version__)
    revocations = Revocations()
    verifier = TokenVerifier(settings.issuer, settings.service_name, settings.jwks_url, revocations=revocations)
    return build_app(
        settings,
        version=__version__,
        lifespan=_lifespan(settings, health, verifier, revocations, make_catalogue or stack_catalogue),
        health=health,
        routers=[
            http.router,
            websocket.router,
            tool_endpoints.router,
            session_endpoints.router,
            workflow_endpoints.router,
            run_endpoints.router,
            discovery_endpoints.router,
        ],
        problems=PROBLEMS,
        limits=LIMITS,
        origins=_origins(settings),
        verifier=verifier,
    )


def stack_catalogue(upstreams: Upstreams, _notices: Notices) -> Catalogue:
    """Return what works on the stack."""
    classification, dataflow = upstreams.classification, upstreams.dataflow
    resources = StackResources(dataflow, classification)
    return Catalogue(
        tools=[
            *classification_tools(classification),
            *TaxonomyTools(classification).tools(),
            *product_tools(dataflow),
            *RowTools(dataflow, replace(dataflow, scope="data:write")).tools(),
        ],
        resources=resources.resources(),
        templates=resources.templates(),
        prompts=stack_prompts(dataflow.scope, classification.scope),
        instructions=_INSTRUCTIONS,
        with_workflows=True,
    )


def _lifespan(
    settings: Settings,
    health: Health,
    verifier: TokenVerifier,
    revocations: Revocations,
    make_catalogue: MakeCatalogue,
) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(create_http_session(connections=settings.http_pool_size))
            database = await stack.enter_async_context(
                open_database(settings, MIGRATIONS, workers=settings.workers, row_security=True)
            )
            redis = await stack.enter_async_context(create_redis(settings, settings.redis_pool_size))
            notices = Notices(redis, await stack.enter_async_context(create_follower(settings)))
            await stack.enter_async_context(follow_revocations(settings.revocations_url, revocations))
            upstreams = connect(settings, session)
            for upstream in (upstreams.classification, upstreams.dataflow, upstreams.gateway):
                health.add(upstream.name, upstream.check, critical=False)
            runner = _runner(settings)
            health.add("workflow-runner", runner.check, critical=False)
            health.add("postgres", database.check, critical=False)
            health.add("redis", lambda: check_redis(redis), critical=False)
            await stack.enter_async_context(in_background(notices.follow()))
            wiring = _Wiring(settings, runtime_of(app), redis, database, notices, revocations, verifier, runner)
            app.state.context = await wiring.context(make_catalogue(upstreams, notices), upstreams, stack)
            yield

    return lifespan


def connect(settings: Settings, session: aiohttp.ClientSession) -> Upstreams:
    """Return the gateway, classification-service and dataflow-service."""
    tokens = TokenExchange(session, settings.gateway_url, settings.client_id, _client_secret(settings))
    return Upstreams(
        Upstream("nexus-gateway", settings.gateway_url, SCOPE, session, tokens, GATEWAY_SECONDS),
        Upstream(
            "classification-service", settings.classification_url, "classify", session, tokens, CLASSIFICATION_SECONDS
        ),
        Upstream("dataflow-service", settings.dataflow_url, "data:read", session, tokens, DATAFLOW_SECONDS),
    )


def _with(workflows: WorkflowService, catalogue: Catalogue) -> Catalogue:
    """Return a catalogue with the resources on workflows, if it is to have them."""
    if not catalogue.with_workflows:
        return catalogue
    made = WorkflowResources(WorkflowDescriptions(workflows))
    return replace(
        catalogue,
        resources=[*catalogue.resources, *made.resources()],
        templates=[*catalogue.templates, *made.templates()],
    )


def _runner(settings: Settings) -> WorkflowRunner:
    address = urlsplit(settings.runner_url)
    return WorkflowRunner(address.hostname or "", address.port or 0)


def _client_secret(settings: Settings) -> str:
    return read_secret(settings.client_secret_file, "NEXUS_CLIENT_SECRET_FILE")


def _origins(settings: Settings) -> Origins:
    own = urlsplit(settings.public_url)
    return Origins.parse(f"{settings.allowed_origins} {own.scheme}://{own.netloc}".lower())


def _hosts(settings: Settings) -> Hosts:
    own = urlsplit(settings.public_url).hostname or ""
    return Hosts(frozenset(filter(None, [own, *re.split(r"[\s,]+", settings.allowed_hosts.lower())])))


@dataclass(frozen=True, slots=True)
class _Wiring:
    """Makes the services out of the stores."""

    settings: Settings
    runtime: Runtime
    redis: Redis
    database: Database
    notices: Notices
    revocations: Revocations
    verifier: TokenVerifier
    runner: WorkflowRunner

    async def context(self, catalogue: Catalogue, upstreams: Upstreams, stack: AsyncExitStack) -> Context:
        sealer = TokenSealer(_client_secret(self.settings))
        runs = RunService(self.database, self.runner, self.notices, sealer)
        awaited = AwaitedRuns(runs, self.notices)
        of_workflows = AgentTools(WorkflowReader(self.database), awaited).tools() if catalogue.with_workflows else []
        registry = ToolRegistry([*catalogue.tools, *of_workflows])
        maker = await self._tool_maker(upstreams, WorkflowTools(awaited), stack)
        catalogues = Catalogues(registry, self.database, maker.make, self.notices)
        await stack.enter_async_context(in_background(catalogues.keep()))
        tools = ToolService(catalogues, UsedRounds(self.redis))
        tasks = TaskService(TaskRepository(self.redis), self.notices, self.runtime.admission, tools.run)
        stack.push_async_callback(tasks.close)
        await stack.enter_async_context(in_background(tasks.keep()))
        external = self._external_nodes(upstreams.dataflow, tools)
        workflows = WorkflowService(self.database, external, self.runner, self.notices)
        worker = await self._run_worker(external, sealer, stack)
        runs.wake = worker.wake
        sessions = SessionService(SessionRepository(self.redis, IDLE_SECONDS), self.notices)
        questions, in_flight = Questions(), InFlight()
        elsewhere = Elsewhere(self.redis, self.notices, questions, in_flight)
        for topic, listener in (
            (ENDED, sessions.on_change),
            (CANCEL, elsewhere.on_cancel),
            (REPLY, elsewhere.on_reply),
            (topics.TOOLS, catalogues.on_change),
            (QUEUED, worker.on_queued),
        ):
            stack.enter_context(self.notices.listening(listener, topic))
        scopes = frozenset[str]().union(*(tool.scopes for tool in catalogue.tools))
        metadata = ResourceMetadata(self.settings.public_url, self.settings.issuer, {SCOPE, *scopes})
        return Context(
            authenticator=Authenticator(
                self.verifier, _hosts(self.settings), _origins(self.settings), metadata.address
            ),
            elsewhere=elsewhere,
            in_flight=in_flight,
            metadata=metadata,
            methods=self._methods(_with(workflows, catalogue), tools, tasks, AllTasks(tasks, RunTasks(runs))),
            notices=self.notices,
            questions=questions,
            revocations=self.revocations,
            runs=runs,
            sessions=sessions,
            streams=Streams(),
            tool_management=ToolManagement(self.database, catalogues, maker, self.notices, upstreams.gateway.document),
            tools=tools,
            workflows=workflows,
        )

    def _external_nodes(self, dataflow: Upstream, tools: ToolService) -> ExternalNodes:
        return ExternalNodes(dataflow, replace(dataflow, scope="data:write"), tools, self.runtime.admission)

    async def _run_worker(self, external: ExternalNodes, sealer: TokenSealer, stack: AsyncExitStack) -> RunWorker:
        holder = secrets.token_hex(8)
        executor = RunExecutor(self.database, self.runner, external, self.verifier, sealer, holder)
        worker = RunWorker(self.database, executor, self.notices, self.runtime.drain, slots=self.settings.runs)
        stack.push_async_callback(worker.close)
        await stack.enter_async_context(in_background(worker.renew()))
        await stack.enter_async_context(in_background(worker.keep()))
        return worker

    async def _tool_maker(self, upstreams: Upstreams, workflows: WorkflowTools, stack: AsyncExitStack) -> ToolMaker:
        allowlist = Allowlist.parse(self.settings.tool_hosts)
        outside = await stack.enter_async_context(create_outside_session(allowlist, self.settings.http_pool_size))
        services = {one.name: one for one in (upstreams.gateway, upstreams.dataflow, upstreams.classification)}
        http = ToolHttp(outside, allowlist, services, ToolSecrets(self.settings.tool_secrets))
        return ToolMaker(http, CallLimiter(self.redis, RateClasses.parse(self.settings.tool_rates)), workflows)

    def _methods(
        self, catalogue: Catalogue, tools: ToolService, tasks: TaskService, all_tasks: AllTasks
    ) -> MethodRouter:
        resource_service = ResourceService(catalogue.resources, catalogue.templates)
        prompt_service = PromptService(catalogue.prompts)
        of_tools, of_tasks = ToolHandlers(tools, tasks), TaskHandlers(all_tasks)
        of_resources, of_prompts = ResourceHandlers(resource_service), PromptHandlers(prompt_service)
        completion = CompletionHandlers({"ref/prompt": prompt_service, "ref/resource": resource_service})
        subscriptions = SubscriptionHandlers(self.notices, all_tasks, self.runtime.drain, self.revocations)
        return MethodRouter(
            {
                "tools/list": of_tools.list_tools,
                "tools/call": of_tools.call_tool,
                "resources/list": of_resources.list_resources,
                "resources/templates/list": of_resources.list_templates,
                "resources/read": of_resources.read,
                "prompts/list": of_prompts.list_prompts,
                "prompts/get": of_prompts.get,
                "completion/complete": completion.complete,
            },
            of_handshake={
                "logging/setLevel": set_level,
                "resources/subscribe": of_resources.subscribe,
                "resources/unsubscribe": of_resources.unsubscribe,
            },
            of_stateless={
                "subscriptions/listen": subscriptions.listen,
                "tasks/get": of_tasks.get,
                "tasks/update": of_tasks.update,
                "tasks/cancel": of_tasks.cancel,
            },
            version=__version__,
            capabilities=_CAPABILITIES,
            extensions={TASKS: {}},
            instructions=catalogue.instructions,
            sealer=StateSealer(_client_secret(self.settings)),
        )
