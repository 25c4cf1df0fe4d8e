"""Products to UNSPSC and ETIM codes, with honest confidence."""

import os

__version__ = "0.3.0"

# ONNX Runtime's official builds write a device identifier to the disk and report their use to their maker, unless this is
# set before they are loaded. Nothing leaves the machine that its operator did not ask for.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# numpy multiplies small matrices here; its threads would only compete with those of ONNX Runtime. It reads this once.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
