"""Every command that the documents name exists. docs/reference/commands.md lists those that exist."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from documents import BUILDING, GUIDES, README, code, fences, name

from nexusctl.cli import app
from nexusctl.workspace import ROOT, load

MAKE = re.compile(r"^(?:[A-Z_]+=\S+ )*make ((?:-s )?[a-zA-Z].*)$")
NEXUS = re.compile(r"^(?:[A-Z_]+=\S+ )*tools/nexus (\w.*)$")
TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)


def make_targets() -> set[str]:
    return set(TARGET.findall((ROOT / "Makefile").read_text()))


def commands() -> dict[str, set[str]]:
    """Return each command of nexusctl with its options."""
    group = typer.main.get_group(app)
    return {
        command: {option for item in group.commands[command].params for option in (*item.opts, *item.secondary_opts)}
        for command in group.commands
    }


def pieces() -> Iterator[str]:
    """Yield each command line of the guides, without comments and what is around it in `$( )`."""
    for path in GUIDES:
        for line in code(path):
            yield from (part.strip() for part in re.split(r"\$\(|\)|&&|\|| # ", line))


def named_targets() -> set[str]:
    lines = [match[1] for piece in pieces() if (match := MAKE.match(piece))]
    words = [word for line in lines for word in re.sub(r"[A-Z_]+=(\"[^\"]*\"|\S+)", "", line).split()]
    return {word for word in words if not word.startswith("-")}


def named_commands() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for piece in pieces():
        if match := NEXUS.match(piece):
            command, *arguments = match[1].split()
            found.setdefault(command, set()).update(item for item in arguments if item.startswith("--"))
    return found


def test_each_command_has_its_make_target() -> None:
    of_commands_with_arguments = {"image-cuda"}
    assert make_targets() - {"help"} - of_commands_with_arguments == set(commands())


def test_make_targets_that_the_guides_name_exist() -> None:
    named = named_targets()
    assert named != set()
    assert named - make_targets() == set()


def test_commands_and_options_of_the_wrapper_exist() -> None:
    named = named_commands()
    assert named != {}
    known = commands()
    wrong = {command: options - known.get(command, set()) for command, options in named.items()}
    assert [command for command in named if command not in known] == []
    assert {command: options for command, options in wrong.items() if options} == {}


def test_readme_begins_with_the_two_commands() -> None:
    assert [line.split("#")[0].strip() for line in fences(README, "sh")[0].splitlines()] == ["make up", "make test"]


@pytest.mark.parametrize("service", [app.name for app in load().apps])
def test_each_app_has_its_bare_pack_build(service: str) -> None:
    lines = [line.strip() for block in fences(BUILDING, "sh") for line in block.splitlines()]
    assert f"pack build {service} --path apps/{service}" in lines


@pytest.mark.parametrize("path", GUIDES, ids=name)
def test_shell_blocks_can_be_parsed_by_a_shell(path: Path) -> None:
    for block in fences(path, "sh"):
        assert subprocess.run(["sh", "-n"], input=block, text=True, capture_output=True, check=False).stderr == ""
