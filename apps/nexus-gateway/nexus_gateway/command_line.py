"""How a feature adds its commands to the command line."""

from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from nexus_gateway.context import Administration

if TYPE_CHECKING:
    from argparse import _SubParsersAction

type Run = Callable[[Administration, Namespace], Awaitable[str]]
"""Does what a command says; returns what it prints."""


class CommandGroup:
    """The commands of a feature: `users add`, `users list` and so on."""

    def __init__(self, parser: ArgumentParser) -> None:
        self._commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(self, name: str, run: Run, description: str) -> ArgumentParser:
        """Add a command; returns its parser, to which arguments can be added."""
        parser = self._commands.add_parser(name, help=description, description=description)
        parser.set_defaults(run=run)
        return parser


class CommandLine:
    """The groups of commands of one parser."""

    def __init__(self, parser: ArgumentParser) -> None:
        self._groups: _SubParsersAction[ArgumentParser] = parser.add_subparsers(metavar="GROUP", required=True)

    def add_group(self, name: str, description: str) -> CommandGroup:
        """Add a feature's group of commands."""
        return CommandGroup(self._groups.add_parser(name, help=description, description=description))


def table(rows: list[tuple[str, ...]]) -> str:
    """The rows in columns, the first row being their names."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)
