"""The prompts of this server."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mcp_server.protocol.messages import InputRequired
from mcp_server.tools.request import Request

type Message = dict[str, Any]
type Complete = Callable[[str, Request], Awaitable[Sequence[str]]]
"""Returns the values of an argument that begin with a text."""


@dataclass(frozen=True, kw_only=True)
class Argument:
    """An argument of a prompt, which is a text."""

    name: str
    description: str
    required: bool = False
    complete: Complete | None = None

    def definition(self) -> dict[str, Any]:
        """Return the argument as prompts/list shows it."""
        return {"name": self.name, "description": self.description, "required": self.required}


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One prompt: `make` returns its messages for the arguments that were given."""

    name: str
    title: str
    description: str
    make: Callable[[dict[str, str], Request], Awaitable[list[Message] | InputRequired]]
    arguments: tuple[Argument, ...] = ()
    scopes: frozenset[str] = frozenset()

    def definition(self) -> dict[str, Any]:
        """Return the prompt as prompts/list shows it."""
        arguments = {"arguments": [argument.definition() for argument in self.arguments]} if self.arguments else {}
        return {"name": self.name, "title": self.title, "description": self.description, **arguments}


def user_message(text: str) -> Message:
    """Return a message of the user."""
    return {"role": "user", "content": {"type": "text", "text": text}}
