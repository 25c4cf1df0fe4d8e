"""No secret is in an environment, an argument, a label, an image's history or layers, a file system or a log."""

import io
from pathlib import Path

import pytest
from harness import engine, secret_scanner
from harness.builds import dockerfile_build
from harness.stack import Stack

from nexusctl.workspace import Service, Worker, load

PROCESSES = pytest.mark.parametrize("process", load().processes, ids=lambda process: process.name)
LEAKED = {place: f"secret-of-{place}".encode() for place in ("environment", "label", "argument", "command", "file")}
LEAKY = """\
FROM nexus/run
ENV PASSPHRASE=secret-of-environment
LABEL passphrase=secret-of-label
CMD ["python3", "--passphrase=secret-of-command"]
USER 0
COPY leaked /leaked
ARG PASSPHRASE_OF_BUILD=secret-of-argument
RUN ["python3", "-c", "import os; os.remove('/leaked')"]
"""


def leaked_by_image(image: str, wanted: dict[str, bytes]) -> list[str]:
    """Return what is in an image: its layers with all files that were ever in one, its configuration, its history."""
    with engine.output("save", image) as stream:
        return secret_scanner.found_in(stream, wanted)


@PROCESSES
def test_no_secret_is_in_a_container(stack: Stack, process: Service | Worker) -> None:
    container = stack.containers(process.name)[0]
    wanted = secret_scanner.values()
    with engine.output("inspect", container["Id"]) as document, engine.output("export", container["Id"]) as files:
        found = {
            "document": secret_scanner.found_in(document, wanted),
            "files": secret_scanner.found_in(files, wanted),
            "log": secret_scanner.found_in(io.BytesIO(engine.last_log(container["Id"], 100_000).encode()), wanted),
            "image": leaked_by_image(container["Image"], wanted),
        }
    assert found == {"document": [], "files": [], "log": [], "image": []}


@PROCESSES
def test_secrets_are_told_by_the_names_of_their_files(stack: Stack, process: Service | Worker) -> None:
    environment = dict(line.split("=", 1) for line in stack.containers(process.name)[0]["Config"]["Env"])
    suspicious = {
        name: value
        for name, value in environment.items()
        if value and any(word in name for word in ("PASSWORD", "SECRET", "KEY", "TOKEN"))
    }
    assert {name for name, value in suspicious.items() if not value.startswith("/run/secrets/")} == set()


def test_a_leak_is_found_wherever_it_is(tmp_path: Path, scratch_image: str, bases: None) -> None:
    assert bases is None
    (tmp_path / "leaked").write_text("secret-of-file")
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "Dockerfile.leaky").write_text(LEAKY)
    built = dockerfile_build(scratch_image, "leaky", tmp_path)
    assert built.status == 0, built.err

    assert leaked_by_image(scratch_image, LEAKED) == ["environment", "label", "argument", "command", "file"]
    assert leaked_by_image("nexus/run", LEAKED) == []


def test_a_leak_in_two_blocks_is_found() -> None:
    wanted = {"first": b"secret", "second": b"other"}

    class Slow(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            return super().read(4)

    assert secret_scanner.found_in(Slow(b"a secret is here"), wanted) == ["first"]
