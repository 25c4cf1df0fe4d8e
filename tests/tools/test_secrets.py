"""Secret files: made strong where they are missing, never replaced, refused where they are empty."""

import dataclasses
import os
import stat
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from harness.clone import Outcome, nexusctl
from harness.stack import compose, compose_command, settings

from nexusctl import secrets
from nexusctl.errors import NexusError
from nexusctl.workspace import load

USER = load().user_id
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file to another user")
PASSWORDS = [name for name, kind in load().secrets.items() if kind == "password"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The secrets of a new installation."""
    monkeypatch.setattr(secrets, "ROOT", tmp_path)
    monkeypatch.setattr(secrets, "FOLDER", tmp_path / ".nexus" / "secrets")
    secrets.ensure()
    return secrets.FOLDER


def refusal() -> tuple[str, str, str]:
    """Return what is wrong with a secret, what was found and what to do."""
    with pytest.raises(NexusError) as caught:
        secrets.ensure()
    return caught.value.what, caught.value.found, caught.value.remedy


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_secret_is_made_and_only_its_owner_may_enter_the_folder(folder: Path) -> None:
    assert sorted(contents(folder)) == sorted(load().secrets)
    assert mode(folder) == 0o700
    assert {mode(path) for path in folder.iterdir()} == {0o444}


def test_passwords_are_long_and_all_different(folder: Path) -> None:
    made = [(folder / name).read_text() for name in PASSWORDS]
    assert [name for name, value in zip(PASSWORDS, made, strict=True) if len(value) < 43] == []
    assert len(set(made)) == len(made)


def test_signing_key_is_ed25519(folder: Path) -> None:
    key = load_pem_private_key((folder / "signing_key").read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)


def test_nothing_is_replaced(folder: Path) -> None:
    before = contents(folder)
    secrets.ensure()
    assert contents(folder) == before


def test_one_that_is_missing_is_made_without_touching_the_others(folder: Path) -> None:
    before = contents(folder)
    (folder / "mcp_client_secret").unlink()
    secrets.ensure()
    after = contents(folder)
    assert len(after.pop("mcp_client_secret")) >= 43
    assert after == {name: value for name, value in before.items() if name != "mcp_client_secret"}


def replace(path: Path, content: str, *, mode: int = 0o444) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(content.encode("latin-1"))
    path.chmod(mode)


def redis_users(folder: Path) -> dict[str, tuple[str, set[str]]]:
    """Return the hash of the password and the patterns of the keys of each Redis user of a service."""
    lines = [line.split() for line in (folder / "redis_acl").read_text().splitlines()]
    return {
        words[1]: (words[3], {word for word in words if "~" in word})
        for words in lines
        if words[1] not in {"default", "health"}
    }


def written(*kinds: str) -> set[str]:
    """Return the patterns of the keys that publishing to channels of these kinds writes."""
    return {pattern for kind in kinds for pattern in (f"~nexus:channel:*:{kind}:*", f"~nexus:channels:*:{kind}*")}


def test_each_service_has_a_redis_user_for_its_own_keys(folder: Path) -> None:
    digests = {
        name: "#" + sha256((folder / f"{name}_redis_password").read_bytes()).hexdigest()
        for name in ("gateway", "dataflow", "mcp", "classification")
    }
    assert redis_users(folder) == {
        "gateway": (digests["gateway"], {"~gateway:*", "%R~nexus:channel:*", *written("app", "user")}),
        "dataflow": (digests["dataflow"], {"~dataflow:*", *written("data")}),
        "mcp": (digests["mcp"], {"~mcp:*"}),
        "classification": (digests["classification"], {"~classification:*", *written("jobs")}),
    }


def test_nobody_is_the_default_redis_user_and_the_health_check_can_only_ping(folder: Path) -> None:
    assert (folder / "redis_acl").read_text().splitlines()[:2] == [
        "user default off resetpass ~* &* +@all",
        "user health on nopass resetkeys resetchannels -@all +ping",
    ]


def test_new_service_gets_a_redis_user_by_its_secret(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = {**load().secrets, "pricing_redis_password": "password"}
    monkeypatch.setattr(secrets, "load", lambda: dataclasses.replace(load(), secrets=named))
    secrets.ensure()
    digest = sha256((folder / "pricing_redis_password").read_bytes()).hexdigest()
    assert redis_users(folder)["pricing"] == (f"#{digest}", {"~pricing:*"})


@pytest.mark.parametrize("content", ["another", "another\n", "another\r\n", " \tanother\v\f "])
def test_redis_user_has_the_password_without_the_white_space_around_it(folder: Path, content: str) -> None:
    replace(folder / "gateway_redis_password", content)
    secrets.ensure()
    assert redis_users(folder)["gateway"][0] == f"#{sha256(b'another').hexdigest()}"


def test_list_of_redis_users_is_written_when_it_changes_only(folder: Path) -> None:
    before = (folder / "redis_acl").stat()
    secrets.ensure()
    after = (folder / "redis_acl").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    replace(folder / "redis_acl", "")
    secrets.ensure()
    assert len(redis_users(folder)) == 4
    (folder / "redis_acl").chmod(0o600)
    secrets.ensure()
    assert mode(folder / "redis_acl") == 0o444


def test_secrets_of_an_older_version_are_completed(folder: Path) -> None:
    added = [name for name in load().secrets if name.endswith(("_redis_password", "_owner_db_password"))]
    for name in added:
        (folder / name).unlink()
    (folder / "redis_password").write_text("of the one user that there was")
    replace(folder / "redis_acl", "user default off resetpass ~* &* +@all\nuser nexus on nopass ~* &* +@all\n")
    before = contents(folder)
    secrets.ensure()
    after = contents(folder)
    assert sorted(redis_users(folder)) == ["classification", "dataflow", "gateway", "mcp"]
    assert {name: len(after.pop(name)) for name in added} == dict.fromkeys(added, 43)
    assert after == before | {"redis_acl": after["redis_acl"]}


@pytest.mark.parametrize("content", ["", "\n", " \n\t\v\f\r\n"], ids=["empty", "line", "blank"])
def test_empty_one_is_refused(folder: Path, content: str) -> None:
    replace(folder / "gateway_db_password", content)
    assert refusal() == (
        "the secret gateway_db_password is empty",
        ".nexus/secrets/gateway_db_password has no content",
        "put the secret back into it; or, for a new one, delete the file and run `make up` again",
    )
    assert (folder / "gateway_db_password").read_bytes() == content.encode()


@AS_ROOT
@pytest.mark.parametrize(
    ("owner", "group", "mode"),
    [(0, 0, 0o600), (0, 0, 0o640), (0, USER, 0o604), (USER, 0, 0o044)],
    ids=["owner", "group", "others", "all but the owner"],
)
def test_one_that_the_services_cannot_read_is_refused(folder: Path, owner: int, group: int, mode: int) -> None:
    replace(folder / "gateway_db_password", "secret", mode=mode)
    os.chown(folder / "gateway_db_password", owner, group)
    assert refusal() == (
        "the secret gateway_db_password cannot be read by the services",
        f".nexus/secrets/gateway_db_password belongs to uid {owner} with mode {mode:04o}; the services run as uid {USER}",
        "`chmod 0444 .nexus/secrets/gateway_db_password`; only the owner of its folder can reach it on this machine",
    )


@AS_ROOT
@pytest.mark.parametrize(
    ("owner", "group", "mode"),
    [(USER, 0, 0o400), (0, USER, 0o040), (0, 0, 0o004)],
    ids=["owner", "group", "others"],
)
def test_one_that_the_services_can_read_is_taken(folder: Path, owner: int, group: int, mode: int) -> None:
    replace(folder / "gateway_db_password", "secret", mode=mode)
    os.chown(folder / "gateway_db_password", owner, group)
    secrets.ensure()
    assert (folder / "gateway_db_password").read_text() == "secret"


def test_one_that_is_not_text_is_refused(folder: Path) -> None:
    replace(folder / "gateway_db_password", "s\u00e9cret")
    assert refusal() == (
        "the secret gateway_db_password cannot be read",
        ".nexus/secrets/gateway_db_password: not UTF-8",
        "put the secret into that file as UTF-8 text; or, for a new one, delete it and run `make up` again",
    )


def test_folder_in_place_of_one_is_refused(folder: Path) -> None:
    (folder / "gateway_db_password").unlink()
    (folder / "gateway_db_password").mkdir()
    assert refusal() == (
        "the secret gateway_db_password cannot be read",
        ".nexus/secrets/gateway_db_password: Is a directory",
        "put the secret into that file as UTF-8 text; or, for a new one, delete it and run `make up` again",
    )


def test_make_up_reports_a_secret_that_is_wrong_before_it_builds_anything(tree: Path) -> None:
    (tree / ".nexus" / "secrets").mkdir()
    (tree / ".nexus" / "secrets" / "gateway_db_password").touch(mode=0o644)
    assert nexusctl(tree, "up", env={"COMPOSE_PROJECT_NAME": "nexus-test-secrets"}) == Outcome(
        1,
        "",
        "nexusctl: the secret gateway_db_password is empty\n"
        "  found: .nexus/secrets/gateway_db_password has no content\n"
        "  to do: put the secret back into it; or, for a new one, delete the file and run `make up` again\n",
    )


def test_compose_without_secrets_names_the_file_and_makes_nothing(tree: Path) -> None:
    environment = settings(project="nexus-test-secrets", tag="latest", gateway_port=18001, mcp_port=13001)
    try:
        done = compose(tree, environment, "up", "--detach", "--no-build", "postgres")
        missing = tree / ".nexus" / "secrets" / "postgres_password"
        assert done.returncode == 1
        assert f"bind source path does not exist: {missing}" in done.stderr
        assert not missing.parent.exists()
    finally:
        compose(tree, environment, "down", "--volumes")


def test_compose_file_says_what_makes_the_secrets(tree: Path) -> None:
    assert compose_command()
    opening = (tree / "docker-compose.production.yml").read_text().split("\n\n")[0]
    assert "`make up`" in opening
