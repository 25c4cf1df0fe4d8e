"""Where secrets must not be: looks for the bytes of their values in streams."""

from collections.abc import Mapping
from typing import IO

from nexusctl import secrets
from nexusctl.workspace import load

_BLOCK = 1 << 22


def values() -> dict[str, bytes]:
    """Return what is secret in each file of .nexus/secrets: passwords whole, of the key its body, of the users the hash."""
    return {name: _value(secrets.read(name), kind).encode() for name, kind in load().secrets.items()}


def found_in(stream: IO[bytes], wanted: Mapping[str, bytes]) -> list[str]:
    """Return the names of the values that occur in a stream, which is read to its end."""
    overlap = max(map(len, wanted.values())) - 1
    found, end = set(), b""
    while block := stream.read(_BLOCK):
        window = end + block
        found |= {name for name, value in wanted.items() if value in window}
        end = window[-overlap:]
    return [name for name in wanted if name in found]


def _value(content: str, kind: str) -> str:
    if kind == "ed25519-key":
        return content.splitlines()[1]
    return content.rpartition("#")[2].split()[0] if kind == "redis-acl" else content
