"""The command line: `serve`, the default, and `migrate`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Coroutine

from dataflow_service.settings import MIGRATIONS, Settings
from nexus_chassis import server
from nexus_chassis.errors import ConfigurationError, DatabaseUnavailableError
from nexus_chassis.settings import load

_AUTHORING = {
    "make": "write what the models declare and no file does into the folder `migrations` of their package",
    "merge": "make a file again behind all others, where it conflicts with one",
    "squash": "replace a file and those that it builds on by one",
    "hash": "give a file that was edited its checksum, where no database has applied it",
}
"""Actions that need neither settings nor a database, on a file."""


def main() -> None:
    """Run the command line."""
    arguments = _parser().parse_args()
    if arguments.command != "migrate":
        server.run(load(Settings), "dataflow_service.app:create_app")
    elif arguments.action is None:
        _run(_apply_files(load(Settings)))
    else:
        _run(_migrate(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dataflow_service", description="Models as a data API on PostgreSQL.")
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("serve", help="serve requests; the default")
    migrate = commands.add_parser("migrate", help="make the service's own tables; with an action, those of the models")
    actions = migrate.add_subparsers(dest="action", metavar="action")
    actions.add_parser("plan", help="show what the tables of the models lack")
    apply = actions.add_parser("apply", help="apply the files, or the plan that was shown")
    apply.add_argument("checksum", nargs="?", help="checksum of the plan; without it the files are applied")
    apply.add_argument(
        "--adopt", action="store_true", help="mark the files as applied, where the tables are as they declare"
    )
    rollback = actions.add_parser("rollback", help="undo the last plan, or the last file")
    rollback.add_argument("checksum", nargs="?", help="checksum of the plan that is expected to be the last")
    for action in (apply, rollback):
        action.add_argument("--destructive", action="store_true", help="allow steps that lose data")
    actions.add_parser("status", help="show what was applied, what is pending, and what nobody declared")
    check = actions.add_parser("check", help="check that files and models fit together: exit status 0 or 1")
    check.add_argument("--database", action="store_true", help="check that the database has applied the files, too")
    for name, text in _AUTHORING.items():
        actions.add_parser(name, help=text).add_argument("name", help="name of the file")
    return parser


async def _apply_files(settings: Settings) -> list[str]:
    from nexus_chassis import postgres  # noqa: PLC0415  it imports metrics, which the supervisor must not

    applied = await postgres.migrate(settings, MIGRATIONS)
    return [*(f"applied {name}" for name in applied), f"The schema is up to date: {len(applied)} migrations applied."]


async def _migrate(arguments: argparse.Namespace) -> list[str]:
    from dataflow_service.schema.errors import MigrationError  # noqa: PLC0415  as above

    try:
        if arguments.action in _AUTHORING:
            return _write(arguments)
        if arguments.action == "check" and not arguments.database:
            return await _check(None, _models())
        return await _change(load(Settings), arguments)
    except MigrationError as error:
        sys.exit(str(error))


def _models() -> str:
    """The package of models: what only reads and writes its files needs no other setting."""
    default: str = Settings.model_fields["models"].default
    return os.environ.get("DATAFLOW_MODELS", default)


def _write(arguments: argparse.Namespace) -> list[str]:
    from dataflow_service.schema import commands  # noqa: PLC0415  as above

    work = {"make": commands.make, "merge": commands.merge, "squash": commands.squash, "hash": commands.seal}
    return work[arguments.action](_models(), arguments.name)


async def _check(settings: Settings | None, models: str) -> list[str]:
    from dataflow_service.schema import commands  # noqa: PLC0415  as above

    return await commands.check(settings, models)


async def _change(settings: Settings, arguments: argparse.Namespace) -> list[str]:
    from dataflow_service.schema import commands  # noqa: PLC0415  as above

    service = commands.migrations(settings, settings.models)
    match arguments.action:
        case "plan":
            return await commands.plan(service)
        case "apply" if arguments.checksum is not None:
            return await commands.apply(service, arguments.checksum, destructive=arguments.destructive)
        case "apply":
            flags = {"destructive": arguments.destructive, "adopt": arguments.adopt}
            return await commands.apply_files(settings, settings.models, **flags)
        case "rollback":
            return await commands.rollback(service, arguments.checksum, destructive=arguments.destructive)
        case "check":
            return await _check(settings, settings.models)
        case _:
            return await commands.status(service)


def _run(work: Coroutine[None, None, list[str]]) -> None:
    try:
        lines = asyncio.run(work)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(os.EX_CONFIG)
    except DatabaseUnavailableError as error:
        remedy = "Migrations that were applied stay applied. Run migrate again once PostgreSQL answers."
        sys.stderr.write(f"{error}. {remedy}\n")
        sys.exit(os.EX_TEMPFAIL)
    sys.stdout.writelines(f"{line}\n" for line in lines)
