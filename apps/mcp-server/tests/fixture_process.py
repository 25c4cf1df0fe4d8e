"""`python fixture_process.py`: the service with the fixtures of the conformance suite, as a process of its own."""

from mcp_server.limits import MAX_MESSAGE_BYTES
from mcp_server.settings import Settings
from nexus_chassis.server import run
from nexus_chassis.settings import load

if __name__ == "__main__":
    run(load(Settings), "fixtures_of_suite:application", websockets=True, max_frame_bytes=MAX_MESSAGE_BYTES)
