"""Secret files: made strong where they are missing, never replaced, refused where they are empty."""

import os
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from harness.clone import Outcome, nexusctl
from harness.stack import compose, compose_command, settings

from nexusctl.workspace import load

PASSWORDS = [name for name, kind in load().secrets.items() if kind == "password"]


@pytest.fixture
def folder(tree: Path) -> Path:
    ensure(tree)
    return tree / ".nexus" / "secrets"


def ensure(tree: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", "from nexusctl import secrets; secrets.ensure()"],
        env={**os.environ, "PYTHONPATH": str(tree / "tools")},
        cwd=tree,
        check=True,
    )


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


def test_nothing_is_replaced(tree: Path, folder: Path) -> None:
    before = contents(folder)
    ensure(tree)
    assert contents(folder) == before


def test_one_that_is_missing_is_made_without_touching_the_others(tree: Path, folder: Path) -> None:
    before = contents(folder)
    (folder / "mcp_client_secret").unlink()
    ensure(tree)
    after = contents(folder)
    assert len(after.pop("mcp_client_secret")) >= 43
    assert after == {name: value for name, value in before.items() if name != "mcp_client_secret"}


def test_redis_acl_follows_the_password(tree: Path, folder: Path) -> None:
    (folder / "redis_password").chmod(0o600)
    (folder / "redis_password").write_text("another\n")
    ensure(tree)
    digest = sha256(b"another").hexdigest()
    assert (folder / "redis_acl").read_text() == (
        "user default off resetpass ~* &* +@all\n"
        "user health on nopass resetkeys resetchannels -@all +ping\n"
        f"user nexus on #{digest} ~* &* +@all\n"
    )


@pytest.mark.parametrize("content", ["", "\n", " \n\n"])
def test_empty_one_is_refused(tree: Path, folder: Path, content: str) -> None:
    (folder / "gateway_db_password").chmod(0o600)
    (folder / "gateway_db_password").write_text(content)
    outcome = nexusctl(tree, "up", env={"COMPOSE_PROJECT_NAME": "nexus-test-secrets"})
    assert outcome == Outcome(
        1,
        "",
        "nexusctl: the secret gateway_db_password is empty\n"
        "  found: .nexus/secrets/gateway_db_password has no content\n"
        "  to do: put the secret back into it; or, for a new one, delete the file and run `make up` again\n",
    )
    assert (folder / "gateway_db_password").read_text() == content


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
