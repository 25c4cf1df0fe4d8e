"""The command line: each feature has a group of commands."""

import asyncio
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from pydantic import ValidationError

from nexus_chassis.errors import (
    ConfigurationError,
    DatabaseUnavailableError,
    PoolExhaustedError,
    RedisUnavailableError,
)
from nexus_chassis.settings import load
from nexus_gateway.audit import commands as audit_commands
from nexus_gateway.command_line import CommandLine
from nexus_gateway.oauth import commands as client_commands
from nexus_gateway.oauth.keys import commands as key_commands
from nexus_gateway.opening import open_administration
from nexus_gateway.problems import PROBLEMS
from nexus_gateway.roles import commands as role_commands
from nexus_gateway.settings import Settings
from nexus_gateway.tenants import commands as tenant_commands
from nexus_gateway.users import commands as user_commands

_FEATURES = (user_commands, tenant_commands, role_commands, audit_commands, key_commands, client_commands)
_AWAY = (DatabaseUnavailableError, RedisUnavailableError, PoolExhaustedError)
_FORESEEN: tuple[type[Exception], ...] = (
    ConfigurationError,
    *_AWAY,
    ValidationError,
    *(error_class for error_class, _ in PROBLEMS),
)
_REFUSED = 1


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line. Exit status: 1 refused, 2 misused, 75 a store is away, 78 wrong configuration."""
    parser = ArgumentParser(
        prog="nexus_gateway", description="Administers the gateway of the Nexus services; without arguments it serves."
    )
    commands = CommandLine(parser)
    for feature in _FEATURES:
        feature.register(commands)
    arguments = parser.parse_args(argv)
    settings = load(Settings)
    sys.exit(asyncio.run(_run(settings, arguments)))


async def _run(settings: Settings, arguments: Namespace) -> int:
    try:
        async with open_administration(settings) as administration:
            text = await arguments.run(administration, arguments)
    except _FORESEEN as error:
        status, message = _explain(error)
        sys.stderr.write(f"{message}\n")
        return status
    sys.stdout.write(text)
    return os.EX_OK


def _explain(error: Exception) -> tuple[int, str]:
    """The exit status for an error of `_FORESEEN`, and what to say about it."""
    if isinstance(error, ConfigurationError):
        return os.EX_CONFIG, str(error)
    if isinstance(error, _AWAY):
        return os.EX_TEMPFAIL, f"{error}. Nothing was changed. Try again once it does."
    if isinstance(error, ValidationError):
        faults = (
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}; found {fault['input']!r}." for fault in error.errors()
        )
        return _REFUSED, "\n".join(faults)
    make_problem = next(make for error_class, make in PROBLEMS if isinstance(error, error_class))
    return _REFUSED, make_problem(error).detail
