"""The kinds of channels: who may subscribe to each, and who may publish."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nexus_chassis.channels import Channel
from nexus_chassis.tokens import Principal
from nexus_gateway.auth.errors import InsufficientScopeError
from nexus_gateway.auth.scopes import ADMIN, PUBLISH
from nexus_gateway.events.errors import ForeignChannelError, NotPublishableError

type Authorize = Callable[[Principal, Channel], Awaitable[None]]
"""Raises the error that says why the principal may not."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Who may do what with the channels of a kind. Channels of another tenant cannot even be named."""

    subscribe: Authorize
    publish: Authorize


def _with_scope(scope: str) -> Authorize:
    async def authorize(principal: Principal, _: Channel) -> None:
        if scope not in principal.scopes:
            raise InsufficientScopeError([scope])

    return authorize


async def _anyone(_: Principal, __: Channel) -> None:
    """All users and services of the tenant."""


async def _own(principal: Principal, channel: Channel) -> None:
    if channel.name != principal.subject:
        raise ForeignChannelError(channel)


async def _nobody(_: Principal, channel: Channel) -> None:
    """Only the service whose events they are, which publishes without the gateway."""
    raise NotPublishableError(channel)


KINDS = {
    "app": Kind(_anyone, _with_scope(PUBLISH)),
    "classification": Kind(_with_scope("classify"), _nobody),
    "data": Kind(_with_scope("data:read"), _nobody),
    "jobs": Kind(_with_scope("classify"), _nobody),
    "user": Kind(_own, _with_scope(ADMIN)),
}


async def authorize_subscriber(name: object, principal: Principal) -> Channel:
    """The channel of this name, if the principal may subscribe.

    Raises UnknownChannelError, InsufficientScopeError or ForeignChannelError.
    """
    channel = Channel.parse(name, principal.tenant)
    await KINDS[channel.kind].subscribe(principal, channel)
    return channel


async def authorize_publisher(name: object, principal: Principal) -> Channel:
    """The channel of this name, if the principal may publish.

    Raises UnknownChannelError, InsufficientScopeError or NotPublishableError.
    """
    channel = Channel.parse(name, principal.tenant)
    await KINDS[channel.kind].publish(principal, channel)
    return channel
