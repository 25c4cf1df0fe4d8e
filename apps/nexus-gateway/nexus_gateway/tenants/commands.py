"""Tenants at the command line."""

from argparse import Namespace

from nexus_gateway.auth.administration import OPERATOR
from nexus_gateway.command_line import CommandLine, table
from nexus_gateway.context import Administration
from nexus_gateway.pagination import MAX_LIMIT, fetch_all
from nexus_gateway.tenants.schemas import NewTenant


def register(commands: CommandLine) -> None:
    """Add the group `tenants`."""
    group = commands.add_group("tenants", "Tenants")
    group.add("list", _list, "List the tenants.")
    add = group.add("add", _add, "Create a tenant.")
    add.add_argument("id", help="short name in lower case; tokens carry it, and it never changes")
    add.add_argument("name", help="name for people")


async def _list(administration: Administration, _: Namespace) -> str:
    tenants = await fetch_all(lambda after: administration.tenants.page(OPERATOR, after, MAX_LIMIT))
    return table([("ID", "NAME"), *((tenant.id, tenant.name) for tenant in tenants)])


async def _add(administration: Administration, arguments: Namespace) -> str:
    new = NewTenant(id=arguments.id, name=arguments.name)
    tenant = await administration.tenants.create(OPERATOR, new.id, new.name)
    return f"The tenant {tenant.id} was created.\n"
