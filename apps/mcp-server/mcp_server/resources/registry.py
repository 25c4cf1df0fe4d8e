"""The resources and templates of this server."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from mcp_server.protocol.messages import InputRequired
from mcp_server.tools.request import Request

type Text = str
type Body = Text | bytes | InputRequired
type Complete = Callable[[str, Request], Awaitable[Sequence[str]]]
"""Returns the values of an argument that begin with a text."""

_VARIABLE = re.compile(r"\{([A-Za-z0-9_]+)\}")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource. A token needs all of `scopes` to see it."""

    uri: str
    name: str
    title: str
    description: str
    read: Callable[[Request], Awaitable[Body]]
    scopes: frozenset[str] = frozenset()
    mime_type: str = "application/json"

    def definition(self) -> dict[str, Any]:
        """Return the resource as resources/list shows it."""
        return {"uri": self.uri, **_about(self)}


@dataclass(frozen=True, kw_only=True)
class Template:
    """Resources whose URIs differ in the values of variables (RFC 6570, simple expressions)."""

    uri_template: str
    name: str
    title: str
    description: str
    read: Callable[[Mapping[str, str], Request], Awaitable[Body]]
    scopes: frozenset[str] = frozenset()
    mime_type: str = "application/json"
    complete: Mapping[str, Complete] = field(default_factory=dict)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = _VARIABLE.split(self.uri_template)  # text and names take turns
        pattern = "".join(f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
        return re.compile(pattern)

    def match(self, uri: str) -> dict[str, str] | None:
        """Return the values of the variables; None for a URI that is not of this template."""
        match = self._pattern.fullmatch(uri)
        return None if match is None else {name: unquote(value) for name, value in match.groupdict().items()}

    def definition(self) -> dict[str, Any]:
        """Return the template as resources/templates/list shows it."""
        return {"uriTemplate": self.uri_template, **_about(self)}


def _about(of: Resource | Template) -> dict[str, Any]:
    return {"name": of.name, "title": of.title, "description": of.description, "mimeType": of.mime_type}
