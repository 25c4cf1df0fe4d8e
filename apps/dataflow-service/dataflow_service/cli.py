"""The command line: `serve`, the default, and `migrate`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine

from dataflow_service.settings import MIGRATIONS, Settings
from nexus_chassis import server
from nexus_chassis.errors import ConfigurationError, DatabaseUnavailableError
from nexus_chassis.settings import load

type _Work = Callable[[Settings], Coroutine[None, None, list[str]]]
"""What a command does; returns the lines to print."""


def main() -> None:
    """Run the command line."""
    arguments = _parser().parse_args()
    settings = load(Settings)
    if arguments.command != "migrate":
        server.run(settings, "dataflow_service.app:create_app")
    elif arguments.action is None:
        _run(settings, _apply_files)
    else:
        _run(settings, lambda _: _migrate(settings, arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dataflow_service", description="Models as a data API on PostgreSQL.")
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("serve", help="serve requests; the default")
    migrate = commands.add_parser("migrate", help="make the service's own tables; with an action, those of the models")
    actions = migrate.add_subparsers(dest="action", metavar="action")
    actions.add_parser("plan", help="show what the tables of the models lack")
    apply = actions.add_parser("apply", help="apply the plan that was shown")
    apply.add_argument("checksum", help="checksum of the plan")
    rollback = actions.add_parser("rollback", help="undo the last plan")
    rollback.add_argument("checksum", nargs="?", help="checksum of the plan that is expected to be the last")
    for action in (apply, rollback):
        action.add_argument("--destructive", action="store_true", help="allow steps that lose data")
    actions.add_parser("status", help="show what was applied, what is pending, and what nobody declared")
    return parser


async def _apply_files(settings: Settings) -> list[str]:
    from nexus_chassis import postgres  # noqa: PLC0415  it imports metrics, which the supervisor must not

    applied = await postgres.migrate(settings, MIGRATIONS)
    return [*(f"applied {name}" for name in applied), f"The schema is up to date: {len(applied)} migrations applied."]


async def _migrate(settings: Settings, arguments: argparse.Namespace) -> list[str]:
    from dataflow_service.schema import commands  # noqa: PLC0415  as above
    from dataflow_service.schema.errors import MigrationError  # noqa: PLC0415  as above

    service = commands.migrations(settings, settings.models)
    try:
        match arguments.action:
            case "plan":
                return await commands.plan(service)
            case "apply":
                return await commands.apply(service, arguments.checksum, destructive=arguments.destructive)
            case "rollback":
                return await commands.rollback(service, arguments.checksum, destructive=arguments.destructive)
            case _:
                return await commands.status(service)
    except MigrationError as error:
        sys.exit(str(error))


def _run(settings: Settings, work: _Work) -> None:
    try:
        lines = asyncio.run(work(settings))
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(os.EX_CONFIG)
    except DatabaseUnavailableError as error:
        remedy = "Migrations that were applied stay applied. Run migrate again once PostgreSQL answers."
        sys.stderr.write(f"{error}. {remedy}\n")
        sys.exit(os.EX_TEMPFAIL)
    sys.stdout.writelines(f"{line}\n" for line in lines)
