"""gunicorn around a service: supervises uvicorn workers, which share an admin listener with Prometheus metrics."""

import asyncio
import importlib
import json
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, override

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger
from uvicorn.config import Config
from uvicorn.server import Server
from uvicorn_worker import UvicornWorker  # type: ignore[import-untyped]

from nexus_chassis.drain import Drain
from nexus_chassis.errors import ConfigurationError
from nexus_chassis.listeners import Listeners, TlsListener, address
from nexus_chassis.protocol import BoundedProtocol, ConnectionState
from nexus_chassis.reload import Reload, reload_certificate
from nexus_chassis.runtime import runtime_of
from nexus_chassis.settings import ServiceSettings

if TYPE_CHECKING:
    from nexus_chassis.health import Health

_FORCED_SECONDS = 2
_log = logging.getLogger(__name__)


class _Arbiter(Arbiter):
    """Supervisor that gives up with exit status 78 when a worker does, and passes SIGHUP on to its workers."""

    APP_LOAD_ERROR = os.EX_CONFIG

    @override
    def handle_hup(self) -> None:
        """Replace no worker, as gunicorn would, and drop no connection. New workers inherit what is read here."""
        reload_certificate(_Worker.listeners)
        self.kill_workers(signal.SIGHUP)

    @override
    def stop(self, graceful: bool = True) -> None:
        """Stop the workers. One that gives up meanwhile, as the first did, must not end the supervisor in another way."""
        while True:
            try:
                super().stop(graceful)
            except HaltServer:
                continue
            return


class _Logger(Logger):
    """Hands gunicorn's records to the service's own log."""

    @override
    def setup(self, cfg: Any) -> None:
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)
        self.access_log.disabled = True


def server_options(*, websockets: bool, max_frame_bytes: int) -> dict[str, Any]:
    """Options of uvicorn's Config, the same in production and in tests."""
    return {
        "loop": "uvloop",
        "http": BoundedProtocol,
        "ws": "nexus_chassis.websocket_protocol:DirectProtocol" if websockets else "none",
        "ws_max_size": max_frame_bytes,
        "ws_per_message_deflate": False,
        "access_log": False,
        "proxy_headers": False,  # X-Forwarded-For is the sender's claim
        "server_header": False,
    }


class Supervised(BaseApplication):
    """The service as a gunicorn application."""

    def __init__(
        self, settings: ServiceSettings, application: str, listeners: Listeners, options: dict[str, Any]
    ) -> None:
        self._settings = settings
        self._application = application
        _Worker.settings = settings
        _Worker.listeners = listeners
        _Worker.CONFIG_KWARGS = options | {
            "lifespan": "off",
            "timeout_graceful_shutdown": settings.shutdown_seconds,
        }
        super().__init__()

    @override
    def load_config(self) -> None:
        options = {
            "bind": address(self._settings.host, self._settings.port),
            "workers": self._settings.workers,
            "worker_class": _Worker,
            "logger_class": _Logger,
            "loglevel": "warning",
            "keepalive": 75,
            "graceful_timeout": self._settings.drain_seconds + self._settings.shutdown_seconds + _FORCED_SECONDS,
            "control_socket_disable": True,
            "child_exit": _forget_metrics,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    @override
    def load(self) -> Any:
        module, _, factory = self._application.partition(":")
        return getattr(importlib.import_module(module), factory)()

    @override
    def run(self) -> None:
        _Arbiter(self).run()


class _Server(Server):
    """Serves for some seconds more after SIGTERM, while load balancers notice."""

    def __init__(self, config: Config, drain: Drain, settings: ServiceSettings, tls: TlsListener | None) -> None:
        super().__init__(config)
        self.server_state = ConnectionState(drain)
        self._drain = drain
        self._settings = settings
        self._tls = tls

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._tls is not None:
            loop = asyncio.get_running_loop()
            context = self._tls.certificate.context
            self.servers.append(await loop.create_server(self._connection, sock=self._tls.socket, ssl=context))

    def _connection(self) -> asyncio.Protocol:
        return BoundedProtocol(self.config, self.server_state, self.lifespan.state)

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGTERM or self._drain.started:
            super().handle_exit(sig, frame)
            return
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(self._drain.start)
        loop.call_soon_threadsafe(loop.call_later, self._settings.drain_seconds, super().handle_exit, sig, None)


class _Worker(UvicornWorker):  # type: ignore[misc]  # it has no types
    """Worker that opens the application before it serves, so that a fault of configuration ends the service."""

    settings: ClassVar[ServiceSettings]
    listeners: ClassVar[Listeners]

    @override
    def init_signals(self) -> None:
        super().init_signals()
        self._serving = False
        signal.signal(signal.SIGTERM, self._terminate)
        signal.signal(signal.SIGINT, self._terminate)
        self._reload = Reload(self.listeners)
        signal.signal(signal.SIGHUP, self._reload.request)

    def _terminate(self, _signal: int, _frame: FrameType | None) -> None:
        """While uvicorn serves it handles the signals itself; at start-up there is no work to finish."""
        if not self._serving:
            _leave()

    @override
    def run(self) -> None:
        try:
            super().run()
        except ConfigurationError as error:
            _log.critical("%s", error)
            sys.exit(os.EX_CONFIG)

    @override
    async def _serve(self) -> None:
        heartbeat = asyncio.create_task(self._heartbeat())
        try:
            async with self.wsgi.router.lifespan_context(self.wsgi):
                await self._serve_opened()
        finally:
            heartbeat.cancel()
        _leave()

    async def _serve_opened(self) -> None:
        self._serving = True
        self.config.app = self.wsgi
        runtime = runtime_of(self.wsgi)
        reloading = asyncio.create_task(self._reload.run(runtime.on_reload))
        admin = await asyncio.start_server(partial(_answer_admin, runtime.health), sock=self.listeners.admin)
        _log.info("worker %d serves at %s", os.getpid(), ", ".join(map(str, self.sockets)))
        try:
            server = _Server(self.config, runtime.drain, self.settings, self.listeners.tls)
            await server.serve(sockets=self.sockets)
        finally:
            admin.close()
            reloading.cancel()

    async def _heartbeat(self) -> None:
        """Tell the supervisor that the event loop turns, also while the application opens; end when it is gone."""
        while os.getppid() == self.ppid:
            self.notify()
            await asyncio.sleep(1)
        _log.error("the supervisor is gone; the worker ends")
        signal.raise_signal(signal.SIGTERM)


def _leave() -> None:
    """End the process, whose work is done, without a wait for threads: Python would join those that look up names.

    Where the DNS does not answer that takes longer than a container gets to stop.
    """
    logging.shutdown()
    os._exit(os.EX_OK)


async def _answer_admin(health: "Health", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(5):
            request = await reader.readuntil(b"\r\n\r\n")
            writer.write(await _admin_response(health, request.split(b" ", 2)[:2]))
            await writer.drain()
    writer.close()


async def _admin_response(health: "Health", request: list[bytes]) -> bytes:
    match request:
        case [b"GET", b"/metrics"]:
            return _response("200 OK", "text/plain; version=0.0.4; charset=utf-8", _metrics())
        case [b"GET", b"/health"]:
            body = json.dumps(await health.details()).encode()
            return _response("200 OK", "application/json", body)
        case _:
            return _response("404 Not Found", "text/plain", b"")


def _response(status: str, media_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def _metrics() -> bytes:
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415  not in the supervisor
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _forget_metrics(_arbiter: Arbiter, worker: UvicornWorker) -> None:
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415  not in the supervisor at start-up

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
