"""The parts that messages are made of."""

from dataclasses import dataclass, field
from typing import Any

type MessageId = int | str
type Params = dict[str, Any]


class Encoded(bytes):
    """A result that is JSON already: its members in UTF-8, without the braces around them."""

    __slots__ = ()


type Result = dict[str, Any] | Encoded


@dataclass(frozen=True, slots=True)
class Call:
    """A request, or, without an id, a notification."""

    method: str
    params: Params
    message_id: MessageId | None

    @property
    def is_notification(self) -> bool:
        """Whether no answer is expected."""
        return self.message_id is None


@dataclass(frozen=True, slots=True)
class Reply:
    """The client's response to a request that the server sent: `result`, or None where it answered with an error."""

    message_id: MessageId
    result: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class InputRequired:
    """What a handler returns when it needs something from the client first.

    `requests` are elicitation/create, sampling/createMessage and roots/list by a key of the handler's own. The handler
    runs again once they are answered; it then finds the answers by key, and `state`, a JSON value.
    """

    requests: dict[str, dict[str, Any]]
    state: Any = field(default=None)


def text_content(text: str) -> dict[str, str]:
    """Return a text block of a tool result."""
    return {"type": "text", "text": text}
