"""`trainer_process.py FIT HEARTBEAT`: the process `trainer` with a stand-in for training."""

import sys
from pathlib import Path

import fake_fits

from classification_service.settings import Settings
from classification_service.worker import serve
from nexus_chassis.settings import load

if __name__ == "__main__":
    serve(load(Settings), getattr(fake_fits, sys.argv[1]), Path(sys.argv[2]))
