"""Who may subscribe to which channel."""

from nexus_chassis.channels import Channel
from nexus_chassis.tokens import Principal
from nexus_gateway.auth.errors import InsufficientScopeError

_SCOPES = {"data": "data:read", "classification": "classify"}
"""The scope that subscribing needs, by the channel's kind."""


def authorize_channel(name: object, principal: Principal) -> str:
    """The channel's name, if the principal may subscribe; raises UnknownChannelError or InsufficientScopeError."""
    channel = Channel.parse(name)
    scope = _SCOPES[channel.kind]
    if scope not in principal.scopes:
        raise InsufficientScopeError([scope])
    return str(channel)
