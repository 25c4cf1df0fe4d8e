"""`python -m nexus_gateway` serves; with arguments it administers the gateway, see `--help`."""

import sys

from nexus_chassis.server import run
from nexus_chassis.settings import load
from nexus_gateway.settings import Settings

if __name__ == "__main__":
    if len(sys.argv) == 1:
        run(load(Settings), "nexus_gateway.app:create_app", websockets=True)
    else:
        from nexus_gateway.cli import main  # it imports the application, which `run` must do itself

        main()
