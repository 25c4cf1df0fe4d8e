"""The gateway's services, as the endpoints find them."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from nexus_gateway.identity.service import IdentityService
from nexus_gateway.realtime.hub import Hub
from nexus_gateway.routing.service import ProxyService
from nexus_gateway.sessions.service import SessionService
from nexus_gateway.status.service import StatusService
from nexus_gateway.tokens.service import TokenService


@dataclass(frozen=True)
class Services:
    """One of each."""

    identity: IdentityService
    sessions: SessionService
    tokens: TokenService
    proxy: ProxyService
    hub: Hub
    status: StatusService


def services_of(connection: HTTPConnection) -> Services:
    """The services of the application that got this request."""
    services: Services = connection.app.state.services
    return services


ServicesOfApp = Annotated[Services, Depends(services_of)]
