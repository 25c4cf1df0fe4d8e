"""`deploy.py EXAMPLE [ALIAS]`: sends an example of this folder, validates it, tries it, publishes it, and moves the alias.

NEXUS_TOKEN is an access token for mcp-server with the scopes workflows:deploy, tools:call and those of the nodes;
NEXUS_MCP_URL the server's address, http://localhost:3000 unless it says otherwise.
"""

import importlib
import sys

from client import request


def deploy(name: str, alias: str) -> None:
    """Deploy an example; ends the program where a step fails."""
    example = importlib.import_module(name)
    version = request("POST", f"{name}/versions", example.VERSION)["version"]
    validation = request("POST", f"{name}/validate", {"version": version})
    if not validation["valid"]:
        sys.exit(f"version {version} is not valid: {validation['faults']}")
    tried = request("POST", f"{name}/dry-run", {"version": version, **example.DRY_RUN})
    if tried["state"] != "finished":
        sys.exit(f"the dry run of version {version} failed ({tried['reason']}): {tried['detail']}")
    request("POST", f"{name}/versions/{version}/publish")
    request("PUT", f"{name}/aliases/{alias}", {"version": version})
    sys.stdout.write(f"{name}: version {version} is published, and named by the alias {alias}\n")


if __name__ == "__main__":
    deploy(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "live")  # noqa: PLR2004
