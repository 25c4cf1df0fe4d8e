"""The file that names the providers."""

import re
from pathlib import Path

import pytest

from nexus_chassis.errors import ConfigurationError
from nexus_gateway.oidc.keys import ALGORITHMS
from nexus_gateway.oidc.providers import is_acceptable_address, read_providers
from nexus_testkit import ServiceProcess

GOOD = {
    "name": '"a"',
    "label": '"A"',
    "issuer": '"https://id.example/x"',
    "client_id": '"nexus"',
    "create_users": "true",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("short")
    (tmp_path / "long").write_text("x" * 32)
    return tmp_path / "providers.toml"


def text(**changed: str | None) -> str:
    fields = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    return "\n".join(["[[providers]]", *(f"{name} = {value}" for name, value in fields.items()), ""])


def fault(file: Path, content: str) -> str:
    file.write_text(content.replace("FOLDER", str(file.parent)))
    with pytest.raises(ConfigurationError, match=re.escape(str(file))) as caught:
        read_providers(file)
    return (
        str(caught.value)
        .replace(f"The file {file} (NEXUS_OIDC_PROVIDERS_FILE) ", "")
        .replace(str(file.parent), "FOLDER")
    )


def test_what_is_left_out_has_defaults(file: Path) -> None:
    file.write_text(text())
    (provider,) = read_providers(file)

    assert provider.model_dump() == {
        "name": "a",
        "label": "A",
        "issuer": "https://id.example/x",
        "client_id": "nexus",
        "client_secret_file": None,
        "ca_file": None,
        "scopes": ["openid", "email", "profile"],
        "algorithms": frozenset({"RS256"}),
        "tenant": "default",
        "link_by_email": False,
        "link_by_claim": None,
        "create_users": True,
        "roles": frozenset(),
    }


ADDRESS = "An issuer is an https:// address without a query; http:// is for localhost alone"
SECRET_REMEDY = "Write the secret to that file, or point client_secret_file at the file that holds it"
LONE = "An HS algorithm stands alone, with a client secret at least as long as its hash"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (text(name='"A b"'), "providers.0.name: String should match pattern '^[a-z0-9][a-z0-9-]{0,31}$'"),
        (text(issuer='"http://id.example"'), f"providers.0.issuer: {ADDRESS}"),
        (text(issuer='"https://id.example?a=b"'), f"providers.0.issuer: {ADDRESS}"),
        (text(issuer='"https://a:b@id.example"'), f"providers.0.issuer: {ADDRESS}"),
        (text(client_id=None), "providers.0.client_id: Field required"),
        (text(colour='"red"'), "providers.0.colour: Extra inputs are not permitted"),
        (
            text(scopes='["email"]'),
            "providers.0.scopes: The scope openid is missing, without which there is no ID token",
        ),
        (
            text(algorithms='["RS256", "none"]'),
            f"providers.0.algorithms: Unknown: none. Known: {', '.join(sorted(ALGORITHMS))}",
        ),
        (
            text(algorithms='["RS256", "HS256"]'),
            "providers.0.algorithms: HS algorithms cannot stand beside others: a public key could be taken for a secret",
        ),
        (text(algorithms='["HS256"]'), f"providers.0: {LONE}"),
        (text(algorithms='["HS256"]', client_secret_file='"FOLDER/secret"'), f"providers.0: {LONE}"),
        (text(algorithms='["HS256", "HS384"]', client_secret_file='"FOLDER/long"'), f"providers.0: {LONE}"),
        (
            text(client_secret_file='"FOLDER/none"'),
            f"providers.0: The secret file FOLDER/none does not exist. {SECRET_REMEDY}",
        ),
        (
            text(create_users="false"),
            "providers.0: Nobody could sign in. Set link_by_email, link_by_claim or create_users",
        ),
        (
            text(create_users="false", link_by_email="true", roles='["viewer"]'),
            "providers.0: roles are those of created users. Set create_users, or remove roles",
        ),
        (
            text(ca_file='"FOLDER/none"'),
            "providers.0: The certificates in FOLDER/none (ca_file) cannot be read: [Errno 2] No such file or directory",
        ),
        ("", "providers: Field required"),
    ],
)
def test_whatever_is_wrong_is_named(file: Path, content: str, reason: str) -> None:
    assert fault(file, content) == f"is wrong: {reason}."


def test_a_file_that_is_no_toml_is_refused(file: Path) -> None:
    assert fault(file, "[[providers").startswith("is not TOML: ")


def test_a_file_that_is_missing_is_named(file: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"cannot be read: No such file or directory\. Write the providers to it\."
    ):
        read_providers(file)


def test_there_are_no_providers_without_a_file() -> None:
    assert read_providers(None) == []


def test_a_name_is_given_once(file: Path) -> None:
    assert fault(file, text() + text()) == "has several providers of the name a."


def test_a_long_secret_is_the_key_of_an_hs_algorithm(file: Path) -> None:
    content = text(algorithms='["HS256"]', client_secret_file='"FOLDER/long"')
    file.write_text(content.replace("FOLDER", str(file.parent)))

    assert [provider.algorithms for provider in read_providers(file)] == [frozenset({"HS256"})]


@pytest.mark.parametrize(
    ("url", "loopback", "acceptable"),
    [
        ("https://id.example/keys?a=b", False, True),
        ("http://localhost:1/keys", True, True),
        ("http://127.0.0.1/keys", True, True),
        ("http://[::1]/keys", True, True),
        ("http://localhost:1/keys", False, False),
        ("http://10.0.0.1/keys", True, False),
        ("http://localhost.evil.example/", True, False),
        ("https://id.example/#fragment", False, False),
        ("https://id.example:x/", False, False),
        ("https://[::1/", False, False),
        ("ftp://localhost/", True, False),
        ("https://exämple/", False, False),
        ("", True, False),
    ],
)
def test_providers_are_asked_by_https_or_on_this_machine(url: str, *, loopback: bool, acceptable: bool) -> None:
    assert is_acceptable_address(url, allow_loopback=loopback) is acceptable


def test_a_gateway_with_a_wrong_file_does_not_start(environment: pytest.MonkeyPatch, file: Path) -> None:
    file.write_text(text(colour='"red"'))
    environment.chdir(Path(__file__).parents[2])
    environment.setenv("NEXUS_OIDC_PROVIDERS_FILE", str(file))
    status, log, err = ServiceProcess(("-m", "nexus_gateway")).outcome()

    assert (status, err) == (78, "")
    assert log[0]["message"] == (
        f"The file {file} (NEXUS_OIDC_PROVIDERS_FILE) is wrong: providers.0.colour: Extra inputs are not permitted."
    )
