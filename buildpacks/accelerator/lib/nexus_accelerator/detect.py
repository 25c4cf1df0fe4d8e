"""The detect phase: does the application ask for an accelerator?"""

import os
import sys

from nexus_accelerator import VARIABLE

PASS = 0
FAIL = 100


def main() -> int:
    """Return 0 if it does, 100 if not."""
    if os.environ.get(VARIABLE):
        return PASS
    sys.stdout.write(f"nexus/accelerator takes no part: {VARIABLE} is not set\n")
    return FAIL
