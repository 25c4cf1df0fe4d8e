"""Secret files under .nexus/secrets: created strong when missing, never printed, never replaced."""

import secrets
import stat
import string
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nexusctl.errors import NexusError
from nexusctl.workspace import ROOT, STATE, load

FOLDER = STATE / "secrets"
REDIS_ACL = "redis_acl"
"""The list of Redis users, derived from their passwords."""

# The folder is closed to others; its files are open so that the containers' user can read their mounts.
_MODE = 0o444
_REDIS_PASSWORD = "_redis_password"  # noqa: S105 # the end of a file's name
# Each Redis user owns the keys `<user>:*`. Channels are written by the service whose events they carry, those of clients
# by the gateway, which passes all of them on.
_CHANNEL_KINDS = {"classification": ("jobs",), "dataflow": ("data",), "gateway": ("app", "user")}
_CHANNEL_READERS = {"gateway": "%R~nexus:channel:*"}
# Commands on keys, transactions and scripts (which obey the same key patterns), and what redis-py sends on its own.
# SCAN, RANDOMKEY and DBSIZE ignore key patterns, as do CLIENT TRACKING and the commands that are dangerous or for
# administration.
_REDIS_COMMANDS = (
    "-@all +@read +@write +@connection +@transaction -@admin -@dangerous -scan -randomkey -dbsize "
    "-client +client|id +client|setinfo +client|setname +info +time +eval +evalsha +script|load +script|exists"
)


def ensure() -> None:
    """Create the missing secrets and derive the list of Redis users.

    Raises NexusError for a secret that is empty or that the services cannot read: one that was lost by accident is not
    silently replaced.
    """
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    FOLDER.chmod(0o700)
    for name, kind in load().secrets.items():
        if kind != "redis-acl":
            _create_or_check(name, kind)
    _derive(FOLDER / REDIS_ACL, _redis_acl())


def read(name: str) -> str:
    """Return a secret without ASCII white space at either end, as the services read it; NexusError if it is unreadable."""
    path = FOLDER / name
    try:
        return path.read_text(encoding="utf-8").strip(string.whitespace)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise NexusError(
            f"the secret {name} cannot be read",
            f"{path.relative_to(ROOT)}: {reason}",
            "put the secret into that file as UTF-8 text; or, for a new one, delete it and run `make up` again",
        ) from None


def _create_or_check(name: str, kind: str) -> None:
    path = FOLDER / name
    if not path.exists():
        _write(path, _signing_key() if kind == "ed25519-key" else secrets.token_urlsafe(32))
        return
    _require_readable(path)
    if not read(name):
        raise NexusError(
            f"the secret {name} is empty",
            f"{path.relative_to(ROOT)} has no content",
            "put the secret back into it; or, for a new one, delete the file and run `make up` again",
        )


def _require_readable(path: Path) -> None:
    """Raise NexusError unless the user of the containers can read a mounted file."""
    found, user = path.stat(), load().user_id
    bit = stat.S_IRUSR if found.st_uid == user else stat.S_IRGRP if found.st_gid == user else stat.S_IROTH
    if not found.st_mode & bit:
        raise NexusError(
            f"the secret {path.name} cannot be read by the services",
            f"{path.relative_to(ROOT)} belongs to uid {found.st_uid} with mode {stat.S_IMODE(found.st_mode):04o}; "
            f"the services run as uid {user}",
            f"`chmod 0444 {path.relative_to(ROOT)}`; only the owner of its folder can reach it on this machine",
        )


def _signing_key() -> str:
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def _redis_acl() -> str:
    # Nobody is the default user, but Redis reads its append-only file as that one and would refuse what it may not do.
    # Without a password one can only ask whether the server is up, which is what the health check does.
    users = [name.removesuffix(_REDIS_PASSWORD) for name in load().secrets if name.endswith(_REDIS_PASSWORD)]
    return "".join(
        [
            "user default off resetpass ~* &* +@all\n",
            "user health on nopass resetkeys resetchannels -@all +ping\n",
            *map(_redis_user, users),
        ]
    )


def _redis_user(name: str) -> str:
    digest = sha256(read(f"{name}{_REDIS_PASSWORD}").encode()).hexdigest()
    written = [f"~nexus:channel:*:{kind}:* ~nexus:channels:*:{kind}*" for kind in _CHANNEL_KINDS.get(name, ())]
    keys = " ".join(filter(None, [f"~{name}:*", *written, _CHANNEL_READERS.get(name)]))
    return f"user {name} on #{digest} resetkeys resetchannels {keys} {_REDIS_COMMANDS}\n"


def _derive(path: Path, content: str) -> None:
    # A file that is right is left alone: its time says whether a running Redis has read it.
    if not path.is_file() or stat.S_IMODE(path.stat().st_mode) != _MODE or path.read_bytes() != content.encode():
        _write(path, content)


def _write(path: Path, content: str) -> None:
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_text(content)
    partial.chmod(_MODE)
    partial.replace(path)
