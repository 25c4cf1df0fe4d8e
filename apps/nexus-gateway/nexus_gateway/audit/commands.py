"""The audit log at the command line."""

import re
from argparse import ArgumentTypeError, Namespace

from nexus_gateway.audit.models import Head
from nexus_gateway.command_line import CommandLine
from nexus_gateway.context import Administration

_HEAD = re.compile(r"([0-9]{1,18})(?::([0-9a-f]{64}))?")


def register(commands: CommandLine) -> None:
    """Add the group `audit`."""
    verify = commands.add_group("audit", "The audit log").add(
        "verify",
        _verify,
        "Compute the hashes of the audit log anew, and name the first row that is not as it was written.",
    )
    verify.add_argument(
        "--after",
        type=_head,
        default=0,
        metavar="NUMBER[:HASH]",
        help="begin after this row, which must have this hash: what the verification before printed",
    )


async def _verify(administration: Administration, arguments: Namespace) -> str:
    verified = await administration.audit_log.verify(arguments.after)
    return f"{verified.rows} rows are as they were written. Begin the next verification with: --after {verified.head}\n"


def _head(text: str) -> Head | int:
    match = _HEAD.fullmatch(text)
    if match is None:
        raise ArgumentTypeError(f"{text!r:.100} is not NUMBER or NUMBER:HASH, the hash as 64 hexadecimal digits")
    return int(match[1]) if match[2] is None else Head(int(match[1]), bytes.fromhex(match[2]))
