"""System calls that Python has no function for, by ctypes."""

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def syscall(number: int, *arguments: "int | ctypes.Array[ctypes.c_char]") -> int:
    """Make a system call and return its result. Integers are passed in full width, buffers by address.

    Raises:
        OSError: The kernel refuses it.
    """
    result: int = _libc.syscall(ctypes.c_long(number), *map(_passed, arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def _passed(argument: "int | ctypes.Array[ctypes.c_char]") -> "ctypes.c_ulong | ctypes.Array[ctypes.c_char]":
    return ctypes.c_ulong(argument) if isinstance(argument, int) else argument
