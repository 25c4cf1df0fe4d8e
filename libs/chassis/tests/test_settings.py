from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field

from nexus_chassis.errors import ConfigurationError
from nexus_chassis.settings import PostgresSettings, RedisSettings, SecretFile, ServiceSettings, load, read_secret
from nexus_testkit import assert_settings_documented
from nexus_testkit.readme import settings_table


class Settings(ServiceSettings, PostgresSettings):
    service_name: ClassVar[str] = "example"


def test_the_environment_sets_what_has_no_default(
    monkeypatch: pytest.MonkeyPatch, secret: Callable[[str], Path]
) -> None:
    monkeypatch.setenv("NEXUS_POSTGRES_URL", "postgresql://example@db/nexus")
    monkeypatch.setenv("NEXUS_POSTGRES_PASSWORD_FILE", str(secret("x")))
    monkeypatch.setenv("PORT", "8123")

    settings = load(Settings)

    assert (settings.port, settings.admin_port, settings.postgres_url) == (8123, 9090, "postgresql://example@db/nexus")


def test_all_faults_are_reported_at_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PORT", "http")
    monkeypatch.setenv("NEXUS_LOG_LEVEL", "loud")
    monkeypatch.setenv("NEXUS_POSTGRES_PASSWORD_FILE", "/nowhere/password")

    with pytest.raises(SystemExit) as stopped:
        load(Settings)

    assert stopped.value.code == 78
    assert capsys.readouterr().err == (
        "Invalid configuration:\n"
        "  NEXUS_POSTGRES_URL            is not set. Set this environment variable.\n"
        "  NEXUS_POSTGRES_PASSWORD_FILE  The secret file /nowhere/password does not exist. "
        "Write the secret to that file, or point this setting at the file that holds it.\n"
        "  PORT                          Input should be a valid integer, unable to parse string as an integer; "
        "found 'http'.\n"
        "  NEXUS_LOG_LEVEL               String should match pattern '^(debug|info|warning|error)$'; found 'loud'.\n"
    )


def test_a_default_at_fault_is_reported_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class OwnSettings(RedisSettings):
        redis_url: str = "redis://redis:6379/0"
        redis_password_file: SecretFile = Field(
            default=Path("/run/secrets/redis_password"), validation_alias="NEXUS_REDIS_PASSWORD_FILE"
        )

    monkeypatch.delenv("NEXUS_REDIS_PASSWORD_FILE", raising=False)

    with pytest.raises(SystemExit):
        load(OwnSettings)

    assert capsys.readouterr().err == (
        "Invalid configuration:\n"
        "  NEXUS_REDIS_PASSWORD_FILE  The secret file /run/secrets/redis_password does not exist. "
        "Write the secret to that file, or point this setting at the file that holds it.\n"
    )


def test_a_secret_is_read_without_its_line_end(secret: Callable[[str], Path]) -> None:
    assert read_secret(secret("opens sesame\n"), "NEXUS_X_FILE") == "opens sesame"


@pytest.mark.parametrize("content", ["pass word\r\n", " pass word\t", "\v\fpass word\n\n"])
def test_white_space_at_the_ends_of_a_secret_is_cut_off(secret: Callable[[str], Path], content: str) -> None:
    assert read_secret(secret(content), "NEXUS_X_FILE") == "pass word"


def test_other_characters_at_the_ends_of_a_secret_are_part_of_it(secret: Callable[[str], Path]) -> None:
    assert read_secret(secret("\xa0pass\u2003\n"), "NEXUS_X_FILE") == "\xa0pass\u2003"


def test_a_secret_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigurationError) as refused:
        read_secret(path, "NEXUS_X_FILE")

    assert str(refused.value) == (
        f"The secret file {path} is not UTF-8 text. "
        "Write the secret to that file, or point NEXUS_X_FILE at the file that holds it."
    )


def test_an_owner_role_needs_its_address_and_its_password(
    monkeypatch: pytest.MonkeyPatch, secret: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEXUS_POSTGRES_URL", "postgresql://example@db/nexus")
    monkeypatch.setenv("NEXUS_POSTGRES_PASSWORD_FILE", str(secret("x")))
    monkeypatch.setenv("NEXUS_POSTGRES_OWNER_URL", "postgresql://example_owner@db/nexus")

    with pytest.raises(SystemExit) as stopped:
        load(Settings)

    assert stopped.value.code == 78
    assert capsys.readouterr().err == (
        "Invalid configuration:\n"
        "  (all)  NEXUS_POSTGRES_OWNER_URL and NEXUS_POSTGRES_OWNER_PASSWORD_FILE belong together. Set both or none.\n"
    )


def test_an_empty_secret_is_refused(secret: Callable[[str], Path]) -> None:
    path = secret(" \n")

    with pytest.raises(ConfigurationError) as refused:
        read_secret(path, "NEXUS_X_FILE")

    assert str(refused.value) == (
        f"The secret file {path} is empty. "
        "Write the secret to that file, or point NEXUS_X_FILE at the file that holds it."
    )


def test_a_folder_in_place_of_a_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_secret(tmp_path, "NEXUS_X_FILE")

    assert str(refused.value) == (
        f"The secret file {tmp_path} cannot be read: Is a directory. "
        "Write the secret to that file, or point NEXUS_X_FILE at the file that holds it."
    )


def test_a_complete_readme_passes(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"| name | default | meaning |\n|---|---|---|\n{settings_table(Settings)}\n")

    assert_settings_documented(Settings, readme)


def test_a_setting_missing_from_the_readme_fails(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("\n".join(settings_table(Settings).splitlines()[1:]))

    with pytest.raises(AssertionError, match="should have these rows"):
        assert_settings_documented(Settings, readme)
