"""A seccomp filter (seccomp(2)): the process keeps the system calls that Python needs to compute and to use its files.

What is not listed is refused with EPERM: sockets, processes, programs, signals to others, tracing, memory of others,
io_uring, files in memory, mounts, namespaces, keys, its own limits. Numbers are those of x86-64.
"""

import errno
import os
import platform
import socket
import struct
from collections.abc import Iterable
from ctypes import addressof, create_string_buffer
from typing import NamedTuple

from mcp_server.runner.kernel import syscall

_SECCOMP = 317
_SET_FILTER, _GET_ACTION_AVAILABLE = 1, 2
_ALL_THREADS = 1
_KILL_PROCESS, _REFUSE, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_X86_64 = 0xC000003E
_X32 = 0x40000000  # numbers from here on belong to another interface of the same processor
_LOAD, _AND, _RETURN, _IF_EQUAL, _IF_AT_LEAST = 0x20, 0x54, 0x06, 0x15, 0x35
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

_PERMITTED = {
    # files, which Landlock limits
    "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "lseek": 8, "pread64": 17,
    "pwrite64": 18, "readv": 19, "writev": 20, "access": 21, "sendfile": 40, "fsync": 74, "fdatasync": 75,
    "truncate": 76, "ftruncate": 77, "getcwd": 79, "rename": 82,   "unlink": 87,
    "readlink": 89, "getdents64": 217, "openat": 257,  "newfstatat": 262, "unlinkat": 263,
    "renameat": 264, "readlinkat": 267, "faccessat": 269, "renameat2": 316, "copy_file_range": 326, "statx": 332,
    "faccessat2": 439,
    # memory
    "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12, "mremap": 25, "madvise": 28,
    # descriptors that the process has
    "poll": 7, "pipe": 22, "select": 23, "dup": 32, "dup2": 33, "sendto": 44, "recvfrom": 45, "shutdown": 48,
    "epoll_wait": 232, "epoll_ctl": 233, "pselect6": 270, "ppoll": 271, "epoll_pwait": 281, "eventfd2": 290,
    "epoll_create1": 291, "dup3": 292, "pipe2": 293, "epoll_pwait2": 441,
    # time, and facts about itself
    "sched_yield": 24, "nanosleep": 35, "getpid": 39, "uname": 63, "gettimeofday": 96, "getrlimit": 97,
    "getrusage": 98, "sysinfo": 99, "times": 100, "getuid": 102, "getgid": 104, "geteuid": 107, "getegid": 108,
    "getppid": 110, "gettid": 186, "time": 201, "sched_getaffinity": 204, "clock_gettime": 228, "clock_getres": 229,
    "clock_nanosleep": 230, "getcpu": 309, "getrandom": 318,
    # its own signals, locks and end
    "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "exit": 60, "sigaltstack": 131, "futex": 202,
    "exit_group": 231, "set_robust_list": 273, "rseq": 334,
}  # fmt: skip
_IOCTL, _SOCKETPAIR, _KILL, _FCNTL, _TGKILL, _PRLIMIT, _CLONE3 = 16, 53, 62, 72, 234, 302, 435
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS TIOCGWINSZ FIONREAD FIONBIO FIONCLEX FIOCLEX
_FCNTLS = (0, 1, 2, 3, 4, 1030)  # DUPFD, GETFD, SETFD, GETFL, SETFL, DUPFD_CLOEXEC: none of those that send signals
_ANY = 0xFFFFFFFF
_KIND_OF_SOCKET = 0xF


class _Is(NamedTuple):
    """A condition: an argument of the call, masked, has this value."""

    argument: int
    value: int
    mask: int = _ANY


class _Step(NamedTuple):
    """An instruction of the filter (bpf(4)); the jumps count instructions."""

    code: int
    value: int
    jump_if: int = 0
    jump_else: int = 0


type _Alternatives = list[list[_Is]]


def is_available() -> bool:
    """Whether the kernel filters system calls by programs such as this one, on this kind of processor."""
    try:
        syscall(_SECCOMP, _GET_ACTION_AVAILABLE, 0, create_string_buffer(struct.pack("I", _KILL_PROCESS), 4))
    except OSError:
        return False
    return platform.machine() == "x86_64"


def restrict() -> None:
    """Leave this process the permitted system calls. The process must have no_new_privs. Raises OSError."""
    steps = _program(os.getpid())
    code = b"".join(struct.pack("HBBI", step.code, step.jump_if, step.jump_else, step.value) for step in steps)
    content = create_string_buffer(code, len(code))
    program = create_string_buffer(struct.pack("HxxxxxxQ", len(steps), addressof(content)), 16)
    syscall(_SECCOMP, _SET_FILTER, _ALL_THREADS, program)


def _program(own_pid: int) -> list[_Step]:
    return [
        _Step(_LOAD, _ARCHITECTURE),
        _Step(_IF_EQUAL, _X86_64, jump_if=1),
        _Step(_RETURN, _KILL_PROCESS),
        _Step(_LOAD, _NUMBER),
        _Step(_IF_AT_LEAST, _X32, jump_else=1),
        _Step(_RETURN, _KILL_PROCESS),
        *(step for number in _PERMITTED.values() for step in _when(number, [_Step(_RETURN, _ALLOW)])),
        *(step for number, cases in _conditions(own_pid).items() for step in _when(number, _allow_if(cases))),
        # glibc falls back to clone, whose refusal it reports as such
        *_when(_CLONE3, [_Step(_RETURN, _REFUSE | errno.ENOSYS)]),
        _refusal(),
    ]


def _conditions(own_pid: int) -> dict[int, _Alternatives]:
    return {
        _IOCTL: [[_Is(1, request)] for request in _IOCTLS],
        _FCNTL: [[_Is(1, command)] for command in _FCNTLS],
        # asyncio wakes its loop by one; a datagram socket could send to others
        _SOCKETPAIR: [[_Is(0, socket.AF_UNIX), _Is(1, socket.SOCK_STREAM, _KIND_OF_SOCKET)]],
        _KILL: [[_Is(0, own_pid)]],
        _TGKILL: [[_Is(0, own_pid)]],
        _PRLIMIT: [[_Is(0, 0), _Is(2, 0)]],  # reads its own limits
    }


def _allow_if(alternatives: _Alternatives) -> list[_Step]:
    return [*(step for conditions in alternatives for step in _allow_if_all(conditions)), _refusal()]


def _allow_if_all(conditions: Iterable[_Is]) -> list[_Step]:
    """Allow the call where all conditions hold; otherwise go on behind these steps."""
    steps: list[_Step] = []
    for argument, value, mask in conditions:
        low = _ARGUMENTS + 8 * argument
        steps += [
            _Step(_LOAD, low + 4),
            _Step(_IF_EQUAL, 0),
            _Step(_LOAD, low),
            _Step(_AND, mask),
            _Step(_IF_EQUAL, value),
        ]
    steps.append(_Step(_RETURN, _ALLOW))
    last = len(steps) - 1
    return [
        step._replace(jump_else=last - place) if step.code == _IF_EQUAL else step for place, step in enumerate(steps)
    ]


def _when(number: int, steps: list[_Step]) -> list[_Step]:
    """Take these steps, which must end in a decision, for one system call."""
    return [_Step(_IF_EQUAL, number, jump_else=len(steps)), *steps]


def _refusal() -> _Step:
    return _Step(_RETURN, _REFUSE | errno.EPERM)
