"""The parts that messages are made of."""

from dataclasses import dataclass
from typing import Any

type MessageId = int | str
type Params = dict[str, Any]
type Result = dict[str, Any]


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


def text_content(text: str) -> dict[str, str]:
    """Return a text block of a tool result."""
    return {"type": "text", "text": text}
