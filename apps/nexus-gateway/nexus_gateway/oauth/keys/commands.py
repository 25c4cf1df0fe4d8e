"""Signing keys at the command line."""

from argparse import Namespace
from datetime import UTC, datetime

from nexus_gateway.command_line import CommandLine, table
from nexus_gateway.context import Administration


def register(commands: CommandLine) -> None:
    """Add the group `keys`."""
    group = commands.add_group("keys", "The keys that sign the access tokens")
    group.add("list", _list, "List the signing keys, the oldest first.")
    group.add("rotate", _rotate, "Let the next key sign from now on. No token ends.")
    withdraw = group.add("withdraw", _withdraw, "End all tokens of a key that leaked, at once and everywhere.")
    withdraw.add_argument("kid", metavar="KID")


async def _list(administration: Administration, _: Namespace) -> str:
    keys = (await administration.signing_keys.all_keys()).keys
    rows = [(key.kid, str(key.state), *map(_time, (key.created, key.signed_from, key.signed_until))) for key in keys]
    return table([("KEY", "STATE", "CREATED", "SIGNED FROM", "SIGNED UNTIL"), *rows])


def _time(time: datetime | None) -> str:
    return "" if time is None else f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


async def _rotate(administration: Administration, _: Namespace) -> str:
    kid = await administration.signing_keys.rotate()
    return f"The key {kid} signs from now on.\n"


async def _withdraw(administration: Administration, arguments: Namespace) -> str:
    await administration.signing_keys.withdraw(arguments.kid)
    return f"The key {arguments.kid} was withdrawn. Its tokens are refused from now on.\n"
