"""Bodies of the endpoints of events."""

from typing import Any

from pydantic import BaseModel

from nexus_chassis.schemas import RequestModel


class Message(RequestModel):
    """What to publish: any JSON value."""

    data: Any


class Published(BaseModel):
    """Where an event stands in its channel."""

    channel: str
    epoch: str
    offset: str


class Subscribers(BaseModel):
    """How many subscribers a channel has, at all replicas of the gateway."""

    channel: str
    subscribers: int


class Ticket(BaseModel):
    """What to connect with once, as the query parameter `ticket`. `expires_in` is in seconds."""

    ticket: str
    expires_in: int
