"""Users at the command line."""

import asyncio
import getpass
import sys
from argparse import ArgumentParser, Namespace

from nexus_gateway.auth.administration import OPERATOR
from nexus_gateway.command_line import CommandGroup, CommandLine, Run, table
from nexus_gateway.context import Administration
from nexus_gateway.pagination import MAX_LIMIT, fetch_all
from nexus_gateway.users.models import User, UserChange
from nexus_gateway.users.schemas import UserCreation, UserPatch


def register(commands: CommandLine) -> None:
    """Add the group `users`."""
    group = commands.add_group("users", "Users and their passwords")
    group.add("list", _list, "List the users of all tenants.")
    add = _add_command(group, "add", _add, "Create a user, who has no password yet.")
    add.add_argument("--tenant", help="default: the tenant default")
    add.add_argument("--role", action="append", default=[], dest="roles", help="may be given several times")
    add.add_argument("--email")
    _add_command(group, "disable", _disable, "Disable a user and end their sessions.")
    _add_command(group, "enable", _enable, "Enable a user that was disabled.")
    roles = _add_command(group, "set-roles", _set_roles, "Set the roles of a user, in place of those they have.")
    roles.add_argument("roles", nargs="*", metavar="ROLE")
    _add_command(group, "set-password", _set_password, "Set a password, read from standard input; sessions end.")
    _add_command(group, "reset-password", _reset_password, "Print a link at which the user can set a password, once.")
    _add_command(group, "remove", _remove, "Remove a user and end their sessions.")


def _add_command(group: CommandGroup, name: str, run: Run, description: str) -> ArgumentParser:
    parser = group.add(name, run, description)
    parser.add_argument("username", metavar="NAME")
    return parser


async def _list(administration: Administration, _: Namespace) -> str:
    users = await fetch_all(lambda after: administration.users.page(OPERATOR, after, MAX_LIMIT))
    return table([("NAME", "TENANT", "ROLES", "STATE"), *map(_row, users)])


def _row(user: User) -> tuple[str, ...]:
    state = "disabled" if user.disabled else "enabled" if user.has_password else "no password"
    return user.username, user.tenant, " ".join(user.roles) or "-", state


async def _add(administration: Administration, arguments: Namespace) -> str:
    new = UserCreation(
        username=arguments.username, tenant=arguments.tenant, roles=arguments.roles, email=arguments.email
    )
    user = await administration.users.create(OPERATOR, new.new_user())
    return (
        f"The user {user.username} was created, without a password. "
        f"Continue with: users set-password {user.username}, or users reset-password {user.username}.\n"
    )


async def _disable(administration: Administration, arguments: Namespace) -> str:
    user = await _change(administration, arguments, UserChange(disabled=True))
    return f"The user {user.username} is disabled.\n"


async def _enable(administration: Administration, arguments: Namespace) -> str:
    user = await _change(administration, arguments, UserChange(disabled=False))
    return f"The user {user.username} is enabled.\n"


async def _set_roles(administration: Administration, arguments: Namespace) -> str:
    user = await _change(administration, arguments, UserPatch(roles=arguments.roles).change())
    return f"The user {user.username} has the roles: {' '.join(user.roles) or 'none'}.\n"


async def _change(administration: Administration, arguments: Namespace, change: UserChange) -> User:
    found = await administration.users.find(arguments.username)
    return await administration.users.update(OPERATOR, str(found.id), change)


async def _set_password(administration: Administration, arguments: Namespace) -> str:
    user = await administration.users.find(arguments.username)
    password = await asyncio.to_thread(_read_password)
    await administration.passwords.set_password(OPERATOR, str(user.id), password)
    return f"The user {user.username} has the new password.\n"


def _read_password() -> str:
    return getpass.getpass("New password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


async def _reset_password(administration: Administration, arguments: Namespace) -> str:
    user = await administration.users.find(arguments.username)
    link = await administration.passwords.create_reset_link(OPERATOR, str(user.id))
    return f"{link.url}\n"


async def _remove(administration: Administration, arguments: Namespace) -> str:
    user = await administration.users.find(arguments.username)
    await administration.users.remove(OPERATOR, str(user.id))
    return f"The user {user.username} was removed.\n"
