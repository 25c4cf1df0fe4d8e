"""Confines the process of a run, so that the code of a workflow reaches nothing but its own temp directory.

Landlock limits files, TCP, abstract sockets and signals; a seccomp filter limits system calls; resource limits bound
memory, CPU time and files. Each forbids by itself what matters most, so that a hole in one is closed by another.
"""

import os
import resource
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mcp_server.runner import landlock, seccomp
from mcp_server.runner.errors import SandboxUnavailableError
from mcp_server.runner.kernel import syscall
from nexus_chassis.limits import MIB

_PRCTL = 157
_SET_PDEATHSIG, _SET_DUMPABLE, _SET_NO_NEW_PRIVS = 1, 4, 38
_SYSTEM = ("/usr/lib", "/lib", "/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo", "/dev/null", "/dev/urandom")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may use: address space, CPU time, the size of each file, and descriptors."""

    memory_bytes: int = 512 * MIB
    cpu_seconds: int = 60
    file_bytes: int = 16 * MIB
    open_files: int = 64


def check() -> None:
    """Raise SandboxUnavailableError where the kernel, or a profile that forbids its use, lacks what `confine` needs."""
    missing = []
    if (abi := landlock.abi()) < landlock.REQUIRED_ABI:
        missing.append(f"Landlock {landlock.REQUIRED_ABI} (Linux 6.12; found is {abi or 'none'})")
    if not seccomp.is_available():
        missing.append("seccomp filters on x86-64")
    if missing:
        raise SandboxUnavailableError(missing)


def code_paths() -> list[Path]:
    """Return where Python finds modules and libraries; a run may read them."""
    places = {Path(place) for place in (*sys.path, *_SYSTEM) if place}
    return sorted(place for place in places if place.exists())


def confine(directory: Path, readable: Sequence[Path], limits: Limits, parent: int) -> None:
    """Confine this process, which must have one thread, for good; `directory` becomes its working directory.

    It ends with its parent, whose process id is `parent`. Descriptors that are open stay usable. Raises OSError where
    the kernel refuses, ValueError for a path that would include `directory`'s siblings.
    """
    if any(directory.is_relative_to(path) for path in readable):
        raise ValueError(f"the temp directory {directory} is in a folder that every run may read")
    _end_with(parent)
    os.chdir(directory)
    _limit(limits)
    syscall(_PRCTL, _SET_DUMPABLE, 0, 0, 0, 0)
    syscall(_PRCTL, _SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    landlock.restrict(readable, directory)
    seccomp.restrict()


def _end_with(parent: int) -> None:
    syscall(_PRCTL, _SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before that was set
        os.kill(os.getpid(), signal.SIGKILL)


def _limit(limits: Limits) -> None:
    """Set limits that cannot be raised. Processes: none, as the kernel counts those of this user in all containers."""
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))  # SIGXCPU, then SIGKILL
    for kind, limit in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))
