"""Writes the pages."""

import typer

from nexusctl.console import Steps
from nexusctl.docs.declared import declared
from nexusctl.docs.pages import commands_page, service_pages
from nexusctl.workspace import ROOT

FOLDER = ROOT / "docs" / "reference"


def pages(steps: Steps, application: typer.Typer) -> dict[str, str]:
    """Return the text of each reference page, by file name."""
    return {"commands.md": commands_page(application), **service_pages(declared(steps))}


def run(steps: Steps, application: typer.Typer) -> None:
    """Write all pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages(steps, application).items():
        (FOLDER / name).write_text(text)
