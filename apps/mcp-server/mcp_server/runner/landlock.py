"""Landlock (landlock(7)): a process gives up files, TCP, abstract sockets and signals to processes outside, for good."""

import os
import struct
from collections.abc import Iterable
from ctypes import create_string_buffer
from pathlib import Path

from mcp_server.runner.kernel import syscall

REQUIRED_ABI = 6
"""The version that keeps signals and abstract sockets inside (Linux 6.12)."""

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
_ALL_FILE_ACCESS = (1 << 16) - 1
_ALL_TCP = 0b11  # bind, connect
_ALL_SCOPES = 0b11  # abstract sockets, signals
_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_FILE = 1 << 1, 1 << 2, 1 << 3, 1 << 5
_MAKE_FILE, _TRUNCATE = 1 << 8, 1 << 14
_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE_FILE | _MAKE_FILE | _TRUNCATE


def abi() -> int:
    """Return the version of Landlock that the kernel has, 0 without Landlock or where a profile forbids its use."""
    try:
        return syscall(_CREATE_RULESET, 0, 0, _VERSION)
    except OSError:
        return 0


def restrict(readable: Iterable[Path], writable: Path) -> None:
    """Leave this process nothing but reading `readable`, and the directory `writable`.

    There it makes files, but no links, and no directories, so that what is in it can be counted. No program can be executed. The process must have no_new_privs. Raises OSError.
    """
    handled = struct.pack("QQQ", _ALL_FILE_ACCESS, _ALL_TCP, _ALL_SCOPES)
    ruleset = syscall(_CREATE_RULESET, create_string_buffer(handled, len(handled)), len(handled), 0)
    try:
        for path in readable:
            _permit(ruleset, path, _READ if path.is_dir() else _READ_FILE)
        _permit(ruleset, writable, _WRITE)
        syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _permit(ruleset: int, path: Path, access: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        syscall(_ADD_RULE, ruleset, _PATH_BENEATH, create_string_buffer(struct.pack("=Qi", access, place)), 0)
    finally:
        os.close(place)
