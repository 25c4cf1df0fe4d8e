"""Bytecode that is the same at each build and never stale.

Image export sets every file's time to the same moment, which makes ordinary bytecode files look stale; those of the
kind "unchecked hash" (PEP 552) are used as they are.
"""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

_FAILED = re.compile(r"^\*\*\* Error compiling '(?:\./)?(.+)'\.\.\.$", re.MULTILINE)
_HIDDEN = r"(?:^|/)\.[^/]+/"


def compile_folder(folder: Path, *, parallel: bool) -> list[str]:
    """Compile all Python files under `folder`, hidden folders excepted; `parallel` pays from some hundred files on.

    Paths inside the bytecode are relative to `folder`; the interpreter puts the right ones in when it loads a module.

    Returns:
        The files that could not be compiled, relative to `folder`. They stay as they are: packages carry files that
        are deliberately not valid Python (templates, tests of parsers).

    Raises:
        OSError: the disk is full.
    """
    command = [sys.executable, "-m", "compileall", "-q", "-f", "-x", _HIDDEN, "-j", "0" if parallel else "1"]
    command += ["--invalidation-mode", "unchecked-hash", "."]
    result = subprocess.run(  # noqa: S603  constant arguments
        command,
        cwd=folder,
        env=os.environ | {"PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if os.strerror(errno.ENOSPC) in result.stdout:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    failed = _FAILED.findall(result.stdout)
    if not failed:
        result.check_returncode()
    return failed
