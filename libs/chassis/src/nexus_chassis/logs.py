"""Logs as JSON lines on stdout, each with the trace id of the request it belongs to."""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import override

trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)
"""Trace id of the request being served, 32 hexadecimal digits."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object per record; what is passed as `extra` becomes members of it."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    @override
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (current := trace_id.get()) is not None:
            entry["trace_id"] = current
        entry.update((key, value) for key, value in vars(record).items() if key not in _STANDARD)
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=False)


def _is_no_false_alarm(record: logging.LogRecord) -> bool:
    """False for what uvicorn logs of each WebSocket that was refused with a whole HTTP answer."""
    return record.getMessage() != "ASGI callable returned without completing handshake."


def configure_logging(service: str, level: str = "info") -> None:
    """Send all log records of at least `level` to stdout as JSON lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn.error").addFilter(_is_no_false_alarm)
    for noisy in ("asyncio", "uvicorn.access", "gunicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
