"""Where the conformance suite is, once `make prove` has installed it."""

from pathlib import Path

FOLDER = Path(__file__).parents[3] / ".nexus" / "conformance" / "node_modules"
NODE = str(FOLDER / "node" / "bin" / "node")
SUITE = str(FOLDER / "@modelcontextprotocol" / "conformance" / "dist" / "index.js")
