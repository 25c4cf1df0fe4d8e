"""Runs the gateway."""

from nexus_chassis.server import run
from nexus_chassis.settings import load
from nexus_gateway.settings import Settings

if __name__ == "__main__":
    run(load(Settings), "nexus_gateway.app:create_app", websockets=True)
