import re

import pytest
from conftest import APP, command

from classification_service.app import create_app
from classification_service.settings import Settings
from nexus_testkit.readme import assert_settings_documented

README = APP / "README.md"
# Every service has these; they are no part of its OpenAPI document.
FROM_THE_CHASSIS = {"GET /livez", "GET /readyz", "GET /health", "GET /openapi.json"}


def test_every_setting_is_documented() -> None:
    assert_settings_documented(Settings, README)


def test_every_endpoint_is_documented() -> None:
    documented = set(re.findall(r"^\| `((?:GET|POST|PUT|DELETE) /\S*)` \|", README.read_text("utf-8"), re.MULTILINE))
    paths = create_app(Settings()).openapi()["paths"]
    served = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert documented == served | FROM_THE_CHASSIS


@pytest.mark.parametrize("name", ["classify", "import", "train"])
def test_every_option_is_documented(name: str) -> None:
    options = set(re.findall(r"--[a-z-]+", command(name, "--help").stdout)) - {"--help"}
    assert {option for option in options if f"{option} " not in README.read_text("utf-8").replace("`", " ")} == set()
