"""Clients at the command line."""

from argparse import Namespace

from nexus_gateway.auth.administration import OPERATOR
from nexus_gateway.command_line import CommandLine, table
from nexus_gateway.context import Administration
from nexus_gateway.oauth.schemas import ClientRequest
from nexus_gateway.pagination import MAX_LIMIT, fetch_all


def register(commands: CommandLine) -> None:
    """Add the group `clients`."""
    group = commands.add_group("clients", "OAuth clients")
    group.add("list", _list, "List the clients.")
    add = group.add("add", _add, "Add a client, and show its secret.")
    add.add_argument("id", help="what the client calls itself; it never changes")
    add.add_argument("name", help="name for people")
    add.add_argument("--public", action="store_true", help="the client cannot keep a secret, and receives none")
    add.add_argument("--trusted", action="store_true", help="users are not asked for their consent")
    add.add_argument("--tenant", help="the tenant whose users may use it; all of them unless it is given")
    add.add_argument(
        "--redirect-uri", action="append", default=[], help="where users are sent back to; may be repeated"
    )
    add.add_argument("--grant", action="append", required=True, help="such as authorization_code; may be repeated")
    add.add_argument("--scope", action="append", default=[], help="what its tokens can allow; may be repeated")
    add.add_argument("--audience", action="append", required=True, help="a service that it calls; may be repeated")
    group.add("remove", _remove, "Remove a client.").add_argument("id", help="the client's id")


async def _list(administration: Administration, _: Namespace) -> str:
    clients = await fetch_all(lambda after: administration.clients.page(OPERATOR, after, MAX_LIMIT))
    rows = [(client.id, client.kind, client.tenant or "(all)", client.name) for client in clients]
    return table([("ID", "KIND", "TENANT", "NAME"), *rows])


async def _add(administration: Administration, arguments: Namespace) -> str:
    wanted = ClientRequest.model_validate(
        {
            "id": arguments.id,
            "name": arguments.name,
            "kind": "public" if arguments.public else "confidential",
            "redirect_uris": arguments.redirect_uri,
            "grant_types": arguments.grant,
            "scopes": arguments.scope,
            "audiences": arguments.audience,
            "tenant": arguments.tenant,
            "trusted": arguments.trusted,
        }
    )
    added = await administration.clients.add(OPERATOR, wanted.client(None))
    secret = "" if added.secret is None else f"Its secret, which is not shown again: {added.secret}\n"
    return f"The client {added.client.id} was added.\n{secret}"


async def _remove(administration: Administration, arguments: Namespace) -> str:
    await administration.clients.remove(OPERATOR, arguments.id)
    return f"The client {arguments.id} was removed.\n"
