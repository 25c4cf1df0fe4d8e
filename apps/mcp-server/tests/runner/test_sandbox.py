"""Each attack is refused in the sandbox, and works without it: otherwise its refusal would prove nothing."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attacks
import pytest

from mcp_server.runner import landlock, sandbox, seccomp
from mcp_server.runner.errors import SandboxUnavailableError

SCRIPT = Path(attacks.__file__)
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
KILLED = {"use_much_cpu_time": signal.SIGXCPU, "use_numbers_of_the_x32_interface": signal.SIGSYS}
REFUSED_ELSEWHERE = {
    "use_io_uring": "PermissionError",
    "trace_a_process": "PermissionError",
    "clone3_by_number": "OSError",
}
"""What profiles of container engines refuse too: where that is so, nothing is left to compare with."""

BY_LANDLOCK = [
    "become_a_program", "start_a_program", "read_a_file_outside", "read_a_file_through_a_link", "make_a_symbolic_link",
    "make_a_hard_link", "move_a_file_in_from_outside", "write_a_file_outside", "delete_a_file_outside",
    "list_a_directory_outside", "read_the_environment_of_a_process", "open_the_memory_of_a_process",
    "open_the_memory_of_process_1", "trace_a_process", "signal_a_process", "signal_process_1",
    "signal_by_a_descriptor_of_a_process", "connect_to_postgres", "connect_to_redis", "listen",
    "connect_to_an_abstract_socket", "send_to_an_abstract_socket_through_a_pair", "execute_from_memory",
]  # fmt: skip
"""What is refused even where the filter of system calls has a hole."""


@pytest.fixture
def facts(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """What there is to attack."""
    directory, outside = tmp_path / "run", tmp_path / "outside"
    directory.mkdir()
    outside.mkdir()
    for name in ("secret", "movable", "deletable"):
        (outside / name).write_text("secret")
    (directory / "link").symlink_to(outside / "secret")
    with ExitStack() as opened:
        victim = opened.enter_context(_victim())
        names = {"abstract": socket.SOCK_STREAM, "abstract_datagrams": socket.SOCK_DGRAM}
        for name, kind in names.items():
            opened.enter_context(_listening(f"\0nexus-{name}-{os.getpid()}", kind))
        opened.enter_context(_listening(str(outside / "socket"), socket.SOCK_STREAM))
        udp = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        yield {
            "directory": str(directory),
            "outside": str(outside),
            **{name: str(outside / name) for name in ("secret", "movable", "deletable")},
            "link": str(directory / "link"),
            "victim": victim.pid,
            "postgres": _address("NEXUS_TEST_POSTGRES_URL"),
            "redis": _address("NEXUS_TEST_REDIS_URL"),
            "udp": udp.getsockname(),
            **{name: f"nexus-{name}-{os.getpid()}" for name in names},
            "socket_file": str(outside / "socket"),
        }
        victim.kill()


def _victim() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], env=ENVIRONMENT | {"SECRET": "theirs"}
    )


def _listening(address: str, kind: socket.SocketKind) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, kind)
    listener.bind(address)
    if kind == socket.SOCK_STREAM:
        listener.listen()
    return listener


def _address(variable: str) -> tuple[str | None, int | None]:
    url = urlsplit(os.environ[variable])
    return url.hostname, url.port


def _attempt(name: str, mode: str, facts: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The exit status of the attacker and what it wrote."""
    command = [sys.executable, "-P", str(SCRIPT), name, mode, json.dumps(facts)]
    done = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, check=False, timeout=30)
    return done.returncode, json.loads(done.stdout or "{}")


@pytest.mark.parametrize("name", attacks.ATTACKS)
def test_an_attack_is_refused_that_works_without_the_sandbox(name: str, facts: dict[str, Any]) -> None:
    status, outcome = _attempt(name, "confined", facts)
    if name in KILLED:
        assert (status, outcome) == (-KILLED[name], {})
    else:
        assert (status, list(outcome)) == (0, ["refused"])
    free = _attempt(name, "free", facts)
    if free == (0, {"refused": REFUSED_ELSEWHERE.get(name)}):
        pytest.skip("this container's own profile refuses it already; in the sandbox it was refused")
    assert free == (0, {"succeeded": True})


@pytest.mark.parametrize("name", BY_LANDLOCK)
def test_landlock_alone_refuses_what_reaches_others(name: str, facts: dict[str, Any]) -> None:
    status, outcome = _attempt(name, "landlock", facts)
    assert (status, list(outcome)) == (0, ["refused"])


def test_a_confined_process_computes_and_uses_its_own_directory(tmp_path: Path) -> None:
    code = """if True:
        import asyncio, os, sqlite3, tempfile, threading, zoneinfo, decimal
        from pathlib import Path
        from mcp_server.runner.sandbox import Limits, code_paths, confine
        confine(Path(os.environ["RUN"]), code_paths(), Limits(), os.getppid())
        import csv, xml.etree.ElementTree, statistics
        Path("file").write_text("text")
        Path("file").rename("other")
        with tempfile.TemporaryFile(dir=".") as file:
            file.write(b"x")
        database = sqlite3.connect(":memory:")
        (row,) = database.execute("SELECT 1 + 1")
        print(Path("other").read_text(), row[0], asyncio.run(asyncio.sleep(0.01, "slept")), os.listdir("."), flush=True)
        os.kill(os.getpid(), 0)
        os.abort()
    """
    environment = ENVIRONMENT | {"RUN": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, check=False, text=True
    )
    assert (done.stdout, done.returncode) == ("text 2 slept ['other']\n", -signal.SIGABRT), done.stderr


def test_a_confined_process_ends_with_its_parent(tmp_path: Path) -> None:
    child = "import os, time; from pathlib import Path; from mcp_server.runner.sandbox import *; "
    child += "confine(Path('.').absolute(), code_paths(), Limits(), os.getppid()); print(os.getpid(), flush=True); time.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-P', '-c', {child!r}])"
    command = [sys.executable, "-P", "-c", parent]
    with subprocess.Popen(command, env=ENVIRONMENT, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
    assert _is_gone(pid)


def _is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def test_a_run_may_not_be_confined_to_what_every_run_may_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is in a folder that every run may read"):
        sandbox.confine(tmp_path / "run", [tmp_path], sandbox.Limits(), os.getppid())


def test_this_machine_has_what_the_sandbox_needs() -> None:
    sandbox.check()


def test_what_a_machine_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "abi", lambda: 4)
    monkeypatch.setattr(seccomp, "is_available", lambda: False)
    with pytest.raises(SandboxUnavailableError) as raised:
        sandbox.check()
    assert str(raised.value) == (
        "Runs cannot be confined here: this machine lacks Landlock 6 (Linux 6.12; found is 4) and "
        "seccomp filters on x86-64."
    )
