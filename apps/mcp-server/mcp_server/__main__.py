"""`python -m mcp_server` serves."""

from mcp_server.limits import MAX_MESSAGE_BYTES
from mcp_server.settings import Settings
from nexus_chassis.server import run
from nexus_chassis.settings import load

run(load(Settings), "mcp_server.app:create_app", websockets=True, max_frame_bytes=MAX_MESSAGE_BYTES)
