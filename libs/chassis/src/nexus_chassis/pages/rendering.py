"""Templates, and what every page is sent with."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

SHARED = Path(__file__).parent / "templates"
"""Templates that all services have."""

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send `Origin: null` with own forms
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""What each page is sent with, besides its Content-Security-Policy."""


class Templates:
    """The templates of folders; of two with one name, that of the first folder. All values are escaped."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders

    @cached_property
    def _environment(self) -> "Environment":
        from jinja2 import (  # noqa: PLC0415  it takes a fourteenth of a start, which a service without visitors spares
            Environment,
            FileSystemLoader,
            StrictUndefined,
        )

        return Environment(
            loader=FileSystemLoader(self._folders),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )

    def render(self, name: str, **values: object) -> str:
        """Return the text of a template."""
        return self._environment.get_template(name).render(**values)
