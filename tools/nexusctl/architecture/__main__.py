"""`python -m nexusctl.architecture ROOT`: the dependencies of FastAPI that block, a line each."""

import sys
from pathlib import Path

from nexusctl.architecture.contracts import LAYOUT_PENDING
from nexusctl.architecture.dependencies import blocking

found = blocking(Path(sys.argv[1]), without=LAYOUT_PENDING)
print("\n".join(found))  # noqa: T201 # what the program is for
sys.exit(bool(found))
