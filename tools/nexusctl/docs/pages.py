"""The reference pages as Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

import typer
import typer.main
from typer.core import TyperArgument, TyperCommand, TyperOption

from nexusctl.docs.declared import Declared

_GENERATED = "<!-- Written by `make docs` from the code. Do not edit. -->"

_SETTINGS = """\
Each service reads its settings from environment variables when it starts. A setting that is missing or invalid ends the process
with exit status 78, after a message that names every fault:

```
Invalid configuration:
  NEXUS_LOG_LEVEL  String should match pattern '^(debug|info|warning|error)$'; found 'loud'.
```

`required` means that there is no default; `None` means that the setting may be left out. A setting whose name ends in `_FILE`
and that has a default is the path of a [secret](../guides/run-in-production.md#secrets). White space at the ends of a secret is ignored.

`OTEL_EXPORTER_OTLP_ENDPOINT` (none by default) makes every service send spans to that collector by OTLP over HTTP, with the headers in
`OTEL_EXPORTER_OTLP_HEADERS`. The variables of the compose file are listed in
[Run in production](../guides/run-in-production.md#settings)."""

_ENDPOINTS = """\
Clients use nexus-gateway and mcp-server. The gateway passes `/v1/data/**` on to the `/v1/**` of dataflow-service,
`/v1/classification/**` to classification-service and `/v1/agents/**` to mcp-server.

- A `GET` endpoint also answers `HEAD`. `any` stands for every method.
- Query parameters that an endpoint does not list are refused with 400, as is a parameter that is sent twice.
- Request bodies are JSON in UTF-8 without content encoding. Errors are [problem details](errors.md).
- `/livez`, `/readyz` and `/openapi.json` need no token, nor does `/health`; a token with the scope `admin` adds versions and the errors
  of failed checks. The README of each service lists the scopes that its other endpoints need.
- On the admin listener (`NEXUS_ADMIN_PORT`), `/metrics` has metrics for Prometheus and `/health` the state with errors."""

_ERRORS = """\
Errors are problem details ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) with the media type `application/problem+json`:

```json
{"type": "urn:nexus:problem:unknown-parameter", "title": "A query parameter is unknown", "status": 400,
 "detail": "There is no query parameter 'colour'. Known are: after, limit, order."}
```

`type` is stable: programs compare it. `detail` is for people and may change. Some types have more members, such as `errors` with a
JSON pointer for each fault of a body (10 at most). 429 and 503 have a `Retry-After` header. No error contains a stack trace; the log of the
service has it, with the trace id of the request.

The tables list `type` without `urn:nexus:problem:`. Besides, a path that does not exist is `not-found` (404), and a method that a path does not
have is `method-not-allowed` (405, with `Allow`). `POST /oauth/token` answers the error codes of RFC 6749, section 5.2, with dashes in `type`;
its body also has the members `error` and `error_description`."""

_COMMANDS = """\
`make <command>` runs `tools/nexus <command>`. Options are given to `tools/nexus`; `make` passes on these variables:

| variable | meaning | example |
|---|---|---|
| `SERVICES` | the services, suites or images to act on; all if it is not set | `make build SERVICES="nexus-gateway mcp-server"` |
| `PACK` | `0` builds with the Dockerfiles instead of pack | `make up PACK=0` |
| `ARGS` | arguments for pytest | `make unit SERVICES=chassis ARGS="-k drain"` |
| `NAME` | the name of a new service | `make new NAME=pricing` |

`make image-cuda` builds `classification-service:cuda`; `make help` lists the commands."""


def service_pages(declared: Declared) -> dict[str, str]:
    """Return the pages about the services, by file name."""
    columns = ("name", "default", "meaning")
    settings = {name: _table(columns, map(_setting, rows)) for name, rows in declared.settings.items()}
    columns = ("endpoint", "query parameters", "answer or effect")
    endpoints = {name: _table(columns, map(_endpoint, rows)) for name, rows in declared.endpoints.items()}
    columns = ("type", "status", "title")
    problems = {"Every service": declared.common_problems, **declared.problems}
    errors = {name: _table(columns, map(_problem, _unique(rows))) for name, rows in problems.items() if rows}
    return {
        "settings.md": _page("Settings", _SETTINGS, settings),
        "endpoints.md": _page("Endpoints", _ENDPOINTS, endpoints),
        "errors.md": _page("Errors", _ERRORS, errors),
    }


def commands_page(application: typer.Typer) -> str:
    """Return the page about the commands of `tools/nexus`."""
    commands = typer.main.get_group(application).commands
    sections = {name: _command(command) for name, command in commands.items() if isinstance(command, TyperCommand)}
    return _page("Commands", _COMMANDS, sections)


def _page(title: str, introduction: str, sections: dict[str, str]) -> str:
    parts = [f"# {title}", _GENERATED, introduction]
    parts += [f"## {name}\n\n{text}" for name, text in sections.items()]
    return "\n\n".join(parts) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" if cells[0] != "---" else f"|{'|'.join(cells)}|" for cells in lines)


def _setting(row: dict[str, Any]) -> tuple[str, ...]:
    default = row["default"] if row["default"] == "required" else f"`{row['default']}`"
    return f"`{row['name']}`", "" if default == "``" else default, row["meaning"]


def _endpoint(row: dict[str, Any]) -> tuple[str, ...]:
    path = row["path"].replace("/{path:path}", "/**")
    return f"`{row['method']} {path}`", ", ".join(f"`{name}`" for name in row["query"]), row["summary"]


def _unique(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for each type and status: a title may differ."""
    return list({(row["type"], row["status"]): row for row in rows}.values())


def _problem(row: dict[str, Any]) -> tuple[str, ...]:
    return f"`{row['type']}`", str(row["status"]), row["title"]


def _command(command: TyperCommand) -> str:
    arguments = [item for item in command.params if isinstance(item, TyperArgument)]
    options = [item for item in command.params if isinstance(item, TyperOption)]
    text = f"{command.help}\n\n```\n{' '.join(['tools/nexus', str(command.name), *map(_metavar, arguments)])}\n```"
    rows = [(f"`{_metavar(item)}`", item.help or "") for item in arguments]
    rows += [(", ".join(f"`{name}`" for name in _spelled(item)), item.help or "") for item in options]
    return f"{text}\n\n{_table(('argument', 'meaning'), rows)}" if rows else text


def _metavar(item: TyperArgument) -> str:
    name = str(item.name).upper()
    return item.metavar or (name if item.required else f"[{name}]...")


def _spelled(item: TyperOption) -> list[str]:
    value = "" if item.is_flag else f" {item.metavar or str(item.name).upper()}"
    return [f"{name}{value}" for name in (*item.opts, *item.secondary_opts)]
