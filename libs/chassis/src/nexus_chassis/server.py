"""Runs a service.

The supervising process imports little: not the application, and gunicorn only after the settings were found valid,
because gunicorn reads some of the same variables without saying what is wrong with them.
"""

import errno
import logging
import os
import shutil
import socket
import sys
import tempfile

from nexus_chassis.errors import ConfigurationError
from nexus_chassis.limits import KIB
from nexus_chassis.listeners import Certificate, Listeners, TlsListener, address
from nexus_chassis.logs import configure_logging
from nexus_chassis.settings import ServiceSettings

_METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # read by prometheus_client
_WORKERS_VARIABLE = "WEB_CONCURRENCY"  # read by gunicorn, which knows no "auto"
_log = logging.getLogger(__name__)


def run(
    settings: ServiceSettings, application: str, *, websockets: bool = False, max_frame_bytes: int = 64 * KIB
) -> None:
    """Serve `application`, "package.module:factory", until SIGTERM; then drain, finish the work in flight and exit 0.

    `websockets`: the application serves WebSocket connections, with messages of at most `max_frame_bytes`; the package
    `websockets` must be installed. Exits 78 when the application finds its configuration wrong.
    """
    configure_logging(settings.service_name, settings.log_level)
    if "prometheus_client" in sys.modules:  # it decides at import whether workers share their metrics
        raise RuntimeError("The application was imported before run(): name it, and import only its settings.")
    supervisor = os.getpid()
    metrics = tempfile.mkdtemp(prefix="metrics-")
    os.environ[_METRICS_VARIABLE] = metrics
    os.environ[_WORKERS_VARIABLE] = str(settings.workers)
    from nexus_chassis.supervisor import Supervised, server_options  # noqa: PLC0415  see the module's docstring

    try:
        admin = listen_for_admin(settings)
        _listen(settings.host, settings.port, "HOST", "PORT").close()
        tls = listen_for_tls(settings)
        options = server_options(websockets=websockets, max_frame_bytes=max_frame_bytes)
        Supervised(settings, application, Listeners(admin, tls), options).run()
    except ConfigurationError as error:
        _log.critical("%s", error)
        sys.exit(os.EX_CONFIG)
    finally:
        if os.getpid() == supervisor:  # workers leave through here too
            shutil.rmtree(metrics, ignore_errors=True)


def listen_for_admin(settings: ServiceSettings) -> socket.socket:
    """The admin listener's socket. Raises ConfigurationError where its address or port cannot be had."""
    if settings.admin_host:
        return _listen(settings.admin_host, settings.admin_port, "NEXUS_ADMIN_HOST", "NEXUS_ADMIN_PORT")
    return _listen(settings.host, settings.admin_port, "HOST", "NEXUS_ADMIN_PORT")


def listen_for_tls(settings: ServiceSettings) -> TlsListener | None:
    """The HTTPS listener, None without a certificate.

    Raises ConfigurationError where its port cannot be had or certificate and key cannot be used.
    """
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    certificate = Certificate(settings.tls_cert_file, settings.tls_key_file)
    return TlsListener(_listen(settings.host, settings.tls_port, "HOST", "NEXUS_TLS_PORT"), certificate)


def _listen(host: str, port: int, host_setting: str, port_setting: str) -> socket.socket:
    try:
        return _bind(host, port)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]
        if error.errno in {errno.EADDRINUSE, errno.EACCES}:
            remedy = f"Free that port, or set {port_setting} to another."
        else:
            remedy = f"Set {host_setting} to an address of this machine."
        raise ConfigurationError(f"Cannot listen on {address(host, port)}: {reason}. {remedy}") from None


def _bind(host: str, port: int) -> socket.socket:
    """Listen on the first address of `host` that is this machine's own: replicas may share a name."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for *_, place in socket.getaddrinfo(host, port, family, socket.SOCK_STREAM):
        try:
            return socket.create_server(place, family=family, backlog=64, dualstack_ipv6=host == "::")
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
    raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
