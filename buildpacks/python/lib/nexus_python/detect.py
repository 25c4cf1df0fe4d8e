"""The detect phase: is this a Python application?"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from nexus_python.output import say

PASS = 0
FAIL = 100

# Any of these makes it one. What is still missing is reported by the build, where messages are shown in full.
_SIGNS = ("requirements.txt", "pyproject.toml", "Pipfile", "setup.py", "*.py")


def is_python_application(app: Path, environ: Mapping[str, str]) -> bool:
    """Say whether the folder holds a Python application or the environment names its lock."""
    return bool(environ.get("BP_PIP_REQUIREMENT")) or any(any(app.glob(sign)) for sign in _SIGNS)


def main() -> int:
    """Return 0 if the buildpack takes part, 100 if not."""
    if is_python_application(Path.cwd(), os.environ):
        return PASS
    say(f"nexus/python takes no part: there is none of {', '.join(_SIGNS)}", depth=0)
    return FAIL


if __name__ == "__main__":
    sys.exit(main())
