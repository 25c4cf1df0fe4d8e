"""Roles at the command line."""

from argparse import Namespace

from pydantic import TypeAdapter

from nexus_gateway.auth.administration import OPERATOR
from nexus_gateway.command_line import CommandLine, table
from nexus_gateway.context import Administration
from nexus_gateway.pagination import MAX_LIMIT, fetch_all
from nexus_gateway.roles.models import Role
from nexus_gateway.roles.schemas import RoleName, RoleScopes

_NAME: TypeAdapter[str] = TypeAdapter(RoleName)


def register(commands: CommandLine) -> None:
    """Add the group `roles`."""
    group = commands.add_group("roles", "Roles and their scopes")
    group.add("list", _list, "List the roles.")
    change = group.add("set", _set, "Create a role, or change its scopes. The access tokens of its users end.")
    change.add_argument("name")
    change.add_argument("scopes", nargs="*", metavar="SCOPE")
    remove = group.add("remove", _remove, "Remove a role that no user has.")
    remove.add_argument("name")


async def _list(administration: Administration, _: Namespace) -> str:
    roles = await fetch_all(lambda after: administration.roles.page(after, MAX_LIMIT))
    return table([("NAME", "SCOPES"), *((role.name, " ".join(sorted(role.scopes))) for role in roles)])


async def _set(administration: Administration, arguments: Namespace) -> str:
    name, wanted = _NAME.validate_python(arguments.name), RoleScopes(scopes=arguments.scopes)
    created = await administration.roles.put(OPERATOR, Role(name, frozenset(wanted.scopes)))
    return f"The role {name} was {'created' if created else 'changed'}.\n"


async def _remove(administration: Administration, arguments: Namespace) -> str:
    name = _NAME.validate_python(arguments.name)
    await administration.roles.remove(OPERATOR, name)
    return f"The role {name} was removed.\n"
