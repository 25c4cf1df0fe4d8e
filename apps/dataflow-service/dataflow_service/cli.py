"""The command line: `serve`, the default, and `migrate`."""

import argparse
import asyncio
import os
import sys

from dataflow_service.settings import MIGRATIONS, Settings
from nexus_chassis import server
from nexus_chassis.errors import ConfigurationError, DatabaseUnavailableError
from nexus_chassis.settings import load


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="dataflow_service", description="Models as a data API on PostgreSQL.")
    parser.add_argument("command", nargs="?", choices=["serve", "migrate"], default="serve", help="default: serve")
    command = parser.parse_args().command
    settings = load(Settings)
    if command == "migrate":
        _migrate(settings)
    else:
        server.run(settings, "dataflow_service.app:create_app")


def _migrate(settings: Settings) -> None:
    from nexus_chassis import postgres  # noqa: PLC0415  it imports metrics, which the supervisor must not

    try:
        applied = asyncio.run(postgres.migrate(settings, MIGRATIONS))
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(os.EX_CONFIG)
    except DatabaseUnavailableError as error:
        remedy = "Migrations that were applied stay applied. Run migrate again once PostgreSQL answers."
        sys.stderr.write(f"{error}. {remedy}\n")
        sys.exit(os.EX_TEMPFAIL)
    sys.stdout.writelines(f"applied {name}\n" for name in applied)
    sys.stdout.write(f"The schema is up to date: {len(applied)} migrations applied.\n")
