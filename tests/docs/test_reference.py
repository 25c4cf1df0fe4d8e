"""The reference pages are those that `make docs` writes from the code."""

import pytest

from nexusctl import cli
from nexusctl.console import Steps
from nexusctl.docs.command import FOLDER
from nexusctl.docs.declared import Declared, declared
from nexusctl.docs.pages import commands_page, service_pages
from nexusctl.workspace import load

PAGES = ("endpoints.md", "errors.md", "settings.md")
REMEDY = "the code has changed: run `make docs`"


@pytest.fixture(scope="module")
def services() -> Declared:
    """What the services of this tree declare."""
    return declared(Steps())


@pytest.mark.parametrize("page", PAGES)
def test_pages_about_the_services_are_current(page: str, services: Declared) -> None:
    assert (FOLDER / page).read_text() == service_pages(services)[page], REMEDY


def test_page_about_the_commands_is_current() -> None:
    assert (FOLDER / "commands.md").read_text() == commands_page(cli.app), REMEDY


def test_there_is_no_other_page() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted([*PAGES, "commands.md"])


def test_each_app_declares_settings_and_endpoints(services: Declared) -> None:
    names = {app.name for app in load().apps}
    listening = {name for name, rows in services.settings.items() if "PORT" in {row["name"] for row in rows}}
    assert listening == names | {worker.name for worker in load().workers if worker.port is not None}
    assert {name for name, rows in services.endpoints.items() if "/livez" in {row["path"] for row in rows}} == names
