"""Products to UNSPSC and ETIM codes, with honest confidence."""

import os

__version__ = "0.1.0"

# numpy multiplies small matrices here; its threads would only compete with those of ONNX Runtime. It reads this once.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
