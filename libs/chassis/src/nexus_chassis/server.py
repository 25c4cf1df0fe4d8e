"""Runs a service.

The supervising process imports little: not the application, and gunicorn only after the settings were found valid,
because gunicorn reads some of the same variables without saying what is wrong with them.
"""

import logging
import os
import shutil
import socket
import sys
import tempfile

from nexus_chassis.errors import ConfigurationError
from nexus_chassis.logs import configure_logging
from nexus_chassis.settings import ServiceSettings

_METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # read by prometheus_client
_log = logging.getLogger(__name__)


def run(settings: ServiceSettings, application: str, *, websockets: bool = False) -> None:
    """Serve `application`, "package.module:factory", until SIGTERM; then finish the work in flight and exit 0.

    `websockets`: the application serves WebSocket connections; the package `websockets` must be installed.
    Exits 78 when the application finds its configuration wrong.
    """
    configure_logging(settings.service_name, settings.log_level)
    if "prometheus_client" in sys.modules:  # it decides at import whether workers share their metrics
        raise RuntimeError("The application was imported before run(): name it, and import only its settings.")
    supervisor = os.getpid()
    metrics = tempfile.mkdtemp(prefix="metrics-")
    os.environ[_METRICS_VARIABLE] = metrics
    from nexus_chassis.supervisor import Supervised  # noqa: PLC0415  see the module's docstring

    try:
        admin = _listen(settings.host, settings.admin_port, "NEXUS_ADMIN_PORT")
        _listen(settings.host, settings.port, "PORT").close()
        Supervised(settings, application, admin, websockets=websockets).run()
    except ConfigurationError as error:
        _log.critical("%s", error)
        sys.exit(os.EX_CONFIG)
    finally:
        if os.getpid() == supervisor:  # workers leave through here too
            shutil.rmtree(metrics, ignore_errors=True)


def _listen(host: str, port: int, setting: str) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=64)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}. Free that port, or set {setting} to another."
        ) from None
