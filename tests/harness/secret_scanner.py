"""Where secrets must not be: looks for the bytes of their values in streams."""

import re
from collections.abc import Mapping
from typing import IO

from nexusctl import secrets
from nexusctl.workspace import load

_BLOCK = 1 << 22


def values() -> dict[str, bytes]:
    """Return what is secret in .nexus/secrets: passwords whole, of the key its body, of each Redis user the hash."""
    found = {}
    for name, kind in load().secrets.items():
        for number, value in enumerate(_values(secrets.read(name), kind)):
            found[f"{name} {number}" if number else name] = value.encode()
    return found


def found_in(stream: IO[bytes], wanted: Mapping[str, bytes]) -> list[str]:
    """Return the names of the values that occur in a stream, which is read to its end."""
    overlap = max(map(len, wanted.values())) - 1
    found, end = set(), b""
    while block := stream.read(_BLOCK):
        window = end + block
        found |= {name for name, value in wanted.items() if value in window}
        end = window[-overlap:]
    return [name for name in wanted if name in found]


def _values(content: str, kind: str) -> list[str]:
    if kind == "ed25519-key":
        return [content.splitlines()[1]]
    return re.findall(r"#([0-9a-f]{64})\b", content) if kind == "redis-acl" else [content]
