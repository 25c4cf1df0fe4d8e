"""Writes all products as CSV, by runs of the workflow nightly_export; see deploy.py for NEXUS_TOKEN and NEXUS_MCP_URL."""

import sys
from collections.abc import Callable

from client import run

LIMIT = 1000


def export(write: Callable[[str], object]) -> None:
    """Write a header and the lines of all pages."""
    page = run("nightly_export", "live", {"limit": LIMIT})
    write(page["header"])
    write(page["csv"])
    while page["next"]:
        page = run("nightly_export", "live", {"limit": LIMIT, "after": page["next"]})
        write(page["csv"])


if __name__ == "__main__":
    export(sys.stdout.write)
