"""Bytecode that is the same at each build and never stale.

Image export sets every file's time to the same moment, which makes ordinary bytecode files look stale; those of the
kind "unchecked hash" (PEP 552) are used as they are.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

_FAILED = re.compile(r"^\*\*\* Error compiling '(?:\./)?(.+)'\.\.\.$", re.MULTILINE)
_HIDDEN = r"(?:^|/)\.[^/]+/"


def compile_folder(folder: Path) -> list[str]:
    """Compile all Python files under `folder`, hidden folders excepted.

    Paths inside the bytecode are relative to `folder`; the interpreter puts the right ones in when it loads a module.

    Returns:
        The files that are no valid Python, relative to `folder`. They stay as they are: packages carry such files on
        purpose (templates, tests of parsers).
    """
    command = [sys.executable, "-m", "compileall", "-q", "-f", "-x", _HIDDEN, "-j", "0"]
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
    failed = _FAILED.findall(result.stdout)
    if result.returncode != 0 and not failed:
        raise OSError(result.returncode, result.stdout.strip() or "compileall failed", str(folder))
    return failed
