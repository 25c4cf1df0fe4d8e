"""Where the clients that need Node are, once `make prove` has installed them."""

from pathlib import Path

FOLDER = Path(__file__).parents[4] / ".nexus" / "mcp-clients"
NODE = str(FOLDER / "node_modules" / "node" / "bin" / "node")
INSPECTOR = str(
    FOLDER / "node_modules" / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build" / "index.js"
)
SCRIPT = str(FOLDER / "use.mjs")
