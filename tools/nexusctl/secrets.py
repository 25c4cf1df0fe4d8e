"""Secret files under .nexus/secrets: made strong when missing, never printed, never replaced."""

import secrets
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nexusctl.errors import NexusError
from nexusctl.workspace import ROOT, STATE, load

FOLDER = STATE / "secrets"


def ensure() -> None:
    """Make what is missing. An empty file is refused, so that a secret lost by accident is not silently replaced."""
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    FOLDER.chmod(0o700)
    for name, kind in load().secrets.items():
        path = FOLDER / name
        if kind == "redis-acl":
            _write(path, _redis_acl(read("redis_password")))
        elif not path.exists():
            _write(path, _signing_key() if kind == "ed25519-key" else secrets.token_urlsafe(32))
        elif not path.read_text().strip():
            raise NexusError(
                f"the secret {name} is empty",
                f"{path.relative_to(ROOT)} has no content",
                "put the secret back into it; or, for a new one, delete the file and run `make up` again",
            )


def read(name: str) -> str:
    """Return a secret's content without the line end."""
    return (FOLDER / name).read_text().strip()


def _signing_key() -> str:
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def _redis_acl(password: str) -> str:
    # Nobody is the default user; but Redis reads its append-only file as that one, and would refuse what it may not.
    # Without a password one can only ask whether the server is up: that is what the health check does.
    digest = sha256(password.encode()).hexdigest()
    return (
        "user default off resetpass ~* &* +@all\n"
        "user health on nopass resetkeys resetchannels -@all +ping\n"
        f"user nexus on #{digest} ~* &* +@all\n"
    )


def _write(path: Path, content: str) -> None:
    # The folder is closed to others; the file is open so that the container's own user can read its mount.
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_text(content)
    partial.chmod(0o444)
    partial.replace(path)
