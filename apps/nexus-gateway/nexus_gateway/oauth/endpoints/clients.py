"""Clients over HTTP, for administrators."""

import secrets
from typing import Annotated

from fastapi import Path, Query, Response

from nexus_chassis.routing import Router
from nexus_gateway.oauth.dependencies import Administrator, Clients, RequestPeer
from nexus_gateway.oauth.endpoints.bodies import no_store
from nexus_gateway.oauth.models import Client
from nexus_gateway.oauth.schemas import CLIENT_ID, AddedClient, ClientPage, ClientRequest, ClientResponse

_PAGE = 100
type _ClientId = Annotated[str, Path(pattern=CLIENT_ID)]

router = Router(tags=["oauth"])


@router.post("/v1/clients", status_code=201, summary="Add a client")
async def add_client(
    wanted: ClientRequest, clients: Clients, administrator: Administrator, peer: RequestPeer, response: Response
) -> AddedClient:
    """Add an OAuth client; a confidential one receives a secret, which is shown this once."""
    no_store(response)
    added = await clients.add(_client(wanted), administrator, peer.address)
    return AddedClient.of(added.client, client_secret=added.secret)


@router.get("/v1/clients", summary="The clients")
async def list_clients(
    clients: Clients,
    _: Administrator,
    after: Annotated[str, Query(max_length=63)] = "",
    limit: Annotated[int, Query(ge=1, le=_PAGE)] = _PAGE,
) -> ClientPage:
    """The clients in the order of their ids, those that registered themselves included."""
    found = await clients.page(after, limit + 1)
    shown = [ClientResponse.of(client) for client in found[:limit]]
    return ClientPage(clients=shown, next=shown[-1].id if len(found) > limit else None)


@router.get("/v1/clients/{id}", summary="A client")
async def get_client(id: _ClientId, clients: Clients, _: Administrator) -> ClientResponse:  # noqa: A002  the path's name
    """The client of that id."""
    return ClientResponse.of(await clients.get(id))


@router.delete("/v1/clients/{id}", status_code=204, summary="Remove a client")
async def remove_client(id: _ClientId, clients: Clients, administrator: Administrator, peer: RequestPeer) -> None:  # noqa: A002
    """Remove a client: it receives no more tokens, and what users granted it is forgotten."""
    await clients.remove(id, administrator, peer.address)


def _client(wanted: ClientRequest) -> Client:
    return Client(
        id=wanted.id or f"c-{secrets.token_urlsafe(16)}",
        name=wanted.name,
        kind=wanted.kind,
        redirect_uris=tuple(wanted.redirect_uris),
        grant_types=frozenset(wanted.grant_types),
        scopes=frozenset(wanted.scopes),
        audiences=frozenset(wanted.audiences),
        tenant=wanted.tenant,
        trusted=wanted.trusted,
    )
