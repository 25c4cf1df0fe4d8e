"""Clients over HTTP, for administrators."""

from typing import Annotated

from fastapi import Path, Query, Response

from nexus_chassis.routing import Router
from nexus_gateway.auth.dependencies import Administrator
from nexus_gateway.oauth.dependencies import Clients
from nexus_gateway.oauth.endpoints.bodies import no_store
from nexus_gateway.oauth.schemas import CLIENT_ID, AddedClient, ClientPage, ClientRequest, ClientResponse
from nexus_gateway.pagination import DEFAULT_LIMIT, Limit

type _ClientId = Annotated[str, Path(pattern=CLIENT_ID)]

router = Router(tags=["oauth"])


@router.post("/v1/clients", status_code=201, summary="Add a client")
async def add_client(
    wanted: ClientRequest, clients: Clients, administrator: Administrator, response: Response
) -> AddedClient:
    """Add an OAuth client; a confidential one receives a secret, which is shown this once."""
    no_store(response)
    added = await clients.add(administrator, wanted.client(administrator.administered_tenant))
    return AddedClient.of(added.client, client_secret=added.secret)


@router.get("/v1/clients", summary="The clients")
async def list_clients(
    clients: Clients,
    administrator: Administrator,
    after: Annotated[str, Query(max_length=63)] = "",
    limit: Limit = DEFAULT_LIMIT,
) -> ClientPage:
    """The clients in the order of their ids, those that registered themselves included."""
    page = await clients.page(administrator, after, limit)
    return ClientPage(items=[ClientResponse.of(client) for client in page.items], next=page.next)


@router.get("/v1/clients/{id}", summary="A client")
async def read_client(id: _ClientId, clients: Clients, administrator: Administrator) -> ClientResponse:  # noqa: A002
    """The client of that id."""
    return ClientResponse.of(await clients.get(administrator, id))


@router.delete("/v1/clients/{id}", status_code=204, summary="Remove a client")
async def remove_client(id: _ClientId, clients: Clients, administrator: Administrator) -> None:  # noqa: A002
    """Remove a client: it receives no more tokens, and what users granted it is forgotten."""
    await clients.remove(administrator, id)
