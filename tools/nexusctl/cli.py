"""The command line."""

import errno
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from nexusctl import (
    base_images,
    builder,
    docker,
    doctor,
    images,
    lint,
    locks,
    rebase,
    report,
    stack,
    testing,
    toolchain,
    unit_tests,
)
from nexusctl.audit import command as audit
from nexusctl.console import Steps, err
from nexusctl.docs import command as docs
from nexusctl.errors import NexusError, disk_full
from nexusctl.parity import command as parity
from nexusctl.reproduce import command as reproduce
from nexusctl.sbom import command as sbom
from nexusctl.scaffold import command as scaffold
from nexusctl.workspace import load

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
Names = Annotated[list[str] | None, typer.Argument(help="services; all if none is named")]
Images = Annotated[
    list[str] | None,
    typer.Argument(metavar="[IMAGE]...", help="images; all service images that are built if none is named"),
]
Pack = Annotated[bool, typer.Option(help="build with pack, or with the Dockerfiles")]


@app.command("doctor")
def doctor_command() -> None:
    """Report what this machine lacks, with the command that installs it."""
    if not doctor.run():
        raise typer.Exit(1)


@app.command("lock")
def lock_command() -> None:
    """Write the hash-pinned locks from what each pyproject.toml and .in file asks for."""
    locks.lock(Steps())


@app.command("new")
def new_command(
    name: Annotated[str, typer.Argument(help="lower-case words joined by dashes")],
    *,
    port: Annotated[int | None, typer.Option(help="port that it listens on", show_default="the first free one")] = None,
) -> None:
    """Create a new service with an example endpoint."""
    scaffold.run(Steps(), name, port)


@app.command("base")
def base_command() -> None:
    """Build the base images from Debian packages."""
    docker.require_engine()
    base_images.build(Steps(), load().bases)


@app.command("builder")
def builder_command() -> None:
    """Build pack, the lifecycle and nexus/builder."""
    builder.build(Steps())


@app.command("rebase")
def rebase_command(
    *, run_image: Annotated[str | None, typer.Option(help="a base image that was built elsewhere")] = None
) -> None:
    """Rebase the images built by pack onto base images with today's Debian packages."""
    rebase.run(Steps(), run_image)


@app.command("build")
def build_command(names: Names = None, *, pack: Pack = True) -> None:
    """Build service images and print their sizes and times."""
    docker.require_engine()
    images.build(Steps(), names or (), use_pack=pack)


@app.command("parity")
def parity_command(
    names: Names = None,
    *,
    images: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="two images to compare; name a service to run them as"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print everything that was found as JSON")] = False,
) -> None:
    """Compare the pack image of each service with its Dockerfile image."""
    if not parity.run(names or (), images, json=json):
        raise typer.Exit(1)


@app.command("reproduce")
def reproduce_command(names: Names = None) -> None:
    """Build everything twice from scratch, as two users in two folders, and compare the layers."""
    if not reproduce.run(Steps(), names or ()):
        raise typer.Exit(1)


@app.command("sbom")
def sbom_command(
    references: Images = None,
    *,
    output: Annotated[Path, typer.Option(help="where to", show_default=".nexus/sbom")] = sbom.FOLDER,
    notice: Annotated[
        bool, typer.Option("--notice", help="write the licences of all images into NOTICE instead")
    ] = False,
) -> None:
    """Write a CycloneDX bill of materials for each image."""
    if notice:
        sbom.write_notice()
    else:
        sbom.run(references or (), output)


@app.command("audit")
def audit_command(references: Images = None) -> None:
    """Check for known vulnerabilities: exit status 0 none, 1 some, 3 unknown because a service was unreachable."""
    raise typer.Exit(audit.run(references or ()))


@app.command("up")
def up_command(*, pack: Pack = True) -> None:
    """Build what is missing, start the stack, wait until it is healthy."""
    stack.up(Steps(), use_pack=pack)


@app.command("down")
def down_command(*, volumes: Annotated[bool, typer.Option(help="also remove the data")] = False) -> None:
    """Stop the stack."""
    docker.require_engine()
    stack.down(volumes=volumes)


@app.command("status")
def status_command() -> None:
    """Show the stack's containers."""
    docker.require_engine()
    stack.status()


@app.command("logs")
def logs_command(
    names: Names = None, *, follow: Annotated[bool, typer.Option(help="follow the log output")] = False
) -> None:
    """Show the stack's logs."""
    docker.require_engine()
    stack.logs(names or [], follow=follow)


@app.command("env")
def env_command() -> None:
    """Print the shell lines that let a bare `pack` use this tree's builder."""
    for name, value in toolchain.settings().items():
        typer.echo(f"export {name}='{value}'")
    typer.echo(f"export PATH='{toolchain.BIN}':\"$PATH\"")


@app.command("docs")
def docs_command() -> None:
    """Write the reference pages in docs/reference from the code."""
    docker.require_engine()
    docs.run(Steps(), app)


@app.command("lint")
def lint_command() -> None:
    """Check style, Dockerfiles, types and imports of the whole tree; no Docker engine is needed."""
    lint.run(Steps())


@app.command("unit")
def unit_command(
    names: Annotated[list[str] | None, typer.Argument(help="suites; all if none is named")] = None,
    *,
    args: Annotated[str, typer.Option(help="more arguments for pytest, such as '-k name'")] = "",
) -> None:
    """Run unit tests inside the build image."""
    started = time.monotonic()
    parts = unit_tests.run(Steps(), names or (), args)
    if not report.show("make unit", parts, time.monotonic() - started):
        raise typer.Exit(1)


@app.command("test")
def test_command() -> None:
    """Run what any change can break: lint, unit tests, images on both paths, the stack, documents, tools."""
    if not testing.test(Steps()):
        raise typer.Exit(1)


@app.command("prove")
def prove_command() -> None:
    """Run the long proofs and the benchmarks; one is skipped while nothing it depends on has changed since it passed."""
    if not testing.prove(Steps()):
        raise typer.Exit(1)


def main() -> None:
    """Run a command; print an error as what happened, what was found, what to do."""
    os.umask(0o022)
    try:
        app()
    except NexusError as error:
        err.print(f"[red]nexusctl:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        err.print(f"[red]nexusctl:[/] {escape(str(disk_full(str(error))))}", soft_wrap=True)
        sys.exit(1)
