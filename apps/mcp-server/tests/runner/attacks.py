"""What code of a workflow may try, run as `attacks.py NAME confined|landlock|free FACTS`: prints what came of it as JSON.

Every attack raises, or ends the process, unless it succeeds. `FACTS` is JSON: what of the surroundings it aims at.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import pickle
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mcp_server.runner import landlock
from mcp_server.runner.kernel import syscall
from mcp_server.runner.sandbox import Limits, code_paths, confine
from nexus_chassis.limits import MIB

ATTACKS: dict[str, Callable[[dict[str, Any]], object]] = {}


def attack(function: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    ATTACKS[function.__name__] = function
    return function


@attack
def start_a_program(_facts: dict[str, Any]) -> None:
    subprocess.run([sys.executable, "-c", "pass"], check=True)


@attack
def become_a_program(_facts: dict[str, Any]) -> None:
    os.execv(sys.executable, [sys.executable, "-c", "print('{\"succeeded\": true}')"])  # noqa: S606


@attack
def start_a_program_found_by_import_tricks(_facts: dict[str, Any]) -> None:
    found = next(kind for kind in ().__class__.__base__.__subclasses__() if kind.__name__ == "_wrap_close")
    found.__init__.__globals__["posix_spawn"](sys.executable, [sys.executable, "-c", "pass"], {})


@attack
def start_a_program_by_unpickling(_facts: dict[str, Any]) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.posix_spawn, (sys.executable, [sys.executable, "-c", "pass"], {})

    pickle.loads(pickle.dumps(Hostile()))  # noqa: S301


@attack
def fork(_facts: dict[str, Any]) -> None:
    if os.fork() == 0:
        os._exit(0)


@attack
def fork_twice_and_leave_the_session(_facts: dict[str, Any]) -> None:
    if os.fork() == 0:
        os.setsid()
        os._exit(0 if os.fork() else 1)


@attack
def leave_the_session(_facts: dict[str, Any]) -> None:
    os.setpgid(0, 0)


@attack
def clone_by_number(_facts: dict[str, Any]) -> None:
    if syscall(56, signal.SIGCHLD, 0, 0, 0, 0) == 0:
        os._exit(0)


@attack
def vfork_by_number(_facts: dict[str, Any]) -> None:
    if syscall(57) == 0:
        os._exit(0)


@attack
def clone3_by_number(_facts: dict[str, Any]) -> None:
    arguments = struct.pack("QQQQQQQQ", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
    if syscall(435, ctypes.create_string_buffer(arguments, 64), 64) == 0:
        os._exit(0)


@attack
def start_a_thread(_facts: dict[str, Any]) -> None:
    thread = threading.Thread(target=time.time)
    thread.start()
    thread.join()


@attack
def read_a_file_outside(facts: dict[str, Any]) -> None:
    assert Path(facts["secret"]).read_text() == "secret"


@attack
def read_a_file_through_a_link(facts: dict[str, Any]) -> None:
    assert Path(facts["link"]).read_text() == "secret"


@attack
def make_a_symbolic_link(facts: dict[str, Any]) -> None:
    Path("made").symlink_to(facts["secret"])


@attack
def make_a_hard_link(facts: dict[str, Any]) -> None:
    Path("made").hardlink_to(facts["secret"])


@attack
def make_a_directory(_facts: dict[str, Any]) -> None:
    Path("made").mkdir()


@attack
def move_a_file_in_from_outside(facts: dict[str, Any]) -> None:
    Path(facts["movable"]).rename("moved")


@attack
def write_a_file_outside(facts: dict[str, Any]) -> None:
    Path(facts["outside"], "written").write_text("x")


@attack
def change_the_mode_of_a_file_outside(facts: dict[str, Any]) -> None:
    Path(facts["secret"]).chmod(0o666)


@attack
def delete_a_file_outside(facts: dict[str, Any]) -> None:
    Path(facts["deletable"]).unlink()


@attack
def list_a_directory_outside(facts: dict[str, Any]) -> None:
    list(Path(facts["outside"]).iterdir())


@attack
def read_its_own_environment_in_proc(_facts: dict[str, Any]) -> None:
    Path("/proc/self/environ").read_bytes()


@attack
def read_the_environment_of_a_process(facts: dict[str, Any]) -> None:
    assert b"SECRET=theirs" in Path(f"/proc/{facts['victim']}/environ").read_bytes()


@attack
def read_the_environment_of_process_1(_facts: dict[str, Any]) -> None:
    Path("/proc/1/environ").read_bytes()


@attack
def open_the_memory_of_a_process(facts: dict[str, Any]) -> None:
    with Path(f"/proc/{facts['victim']}/mem").open("r+b"):
        pass


@attack
def open_the_memory_of_process_1(_facts: dict[str, Any]) -> None:
    with Path("/proc/1/mem").open("rb"):
        pass


@attack
def trace_a_process(facts: dict[str, Any]) -> None:
    attach, detach = 16, 17
    syscall(101, attach, facts["victim"], 0, 0)
    os.waitpid(facts["victim"], 0x40000000)
    syscall(101, detach, facts["victim"], 0, 0)


@attack
def signal_a_process(facts: dict[str, Any]) -> None:
    os.kill(facts["victim"], signal.SIGCONT)


@attack
def signal_process_1(_facts: dict[str, Any]) -> None:
    os.kill(1, 0)


@attack
def signal_every_process(_facts: dict[str, Any]) -> None:
    os.kill(-1, 0)


@attack
def signal_a_thread_of_a_process(facts: dict[str, Any]) -> None:
    syscall(234, facts["victim"], facts["victim"], 0)


@attack
def signal_by_a_descriptor_of_a_process(facts: dict[str, Any]) -> None:
    signal.pidfd_send_signal(os.pidfd_open(facts["victim"]), signal.SIGCONT)


@attack
def send_signals_by_the_owner_of_a_descriptor(facts: dict[str, Any]) -> None:
    reading, _ = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETOWN, facts["victim"])


@attack
def connect_to_postgres(facts: dict[str, Any]) -> None:
    socket.create_connection(facts["postgres"], timeout=5).close()


@attack
def connect_to_redis(facts: dict[str, Any]) -> None:
    socket.create_connection(facts["redis"], timeout=5).close()


@attack
def resolve_a_name(facts: dict[str, Any]) -> None:
    socket.getaddrinfo(facts["postgres"][0], 5432)


@attack
def send_a_datagram(facts: dict[str, Any]) -> None:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", tuple(facts["udp"]))


@attack
def listen(_facts: dict[str, Any]) -> None:
    socket.create_server(("127.0.0.1", 0)).close()


@attack
def connect_to_an_abstract_socket(facts: dict[str, Any]) -> None:
    socket.socket(socket.AF_UNIX).connect("\0" + facts["abstract"])


@attack
def send_to_an_abstract_socket_through_a_pair(facts: dict[str, Any]) -> None:
    socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b"x", "\0" + facts["abstract_datagrams"])


@attack
def connect_to_a_socket_file(facts: dict[str, Any]) -> None:
    socket.socket(socket.AF_UNIX).connect(facts["socket_file"])


@attack
def talk_to_the_kernel_by_netlink(_facts: dict[str, Any]) -> None:
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()


@attack
def use_io_uring(_facts: dict[str, Any]) -> None:
    os.close(syscall(425, 8, ctypes.create_string_buffer(120)))


@attack
def execute_from_memory(_facts: dict[str, Any]) -> None:
    memory = os.memfd_create("program")
    os.write(memory, Path(sys.executable).read_bytes())
    os.execve(memory, ["python", "-c", "print('{\"succeeded\": true}')"], dict(os.environ))  # noqa: S606


@attack
def watch_files_outside(_facts: dict[str, Any]) -> None:
    os.close(syscall(253))


@attack
def use_shared_memory(_facts: dict[str, Any]) -> None:
    syscall(29, 0, 4096, 0o600 | 0o1000)


@attack
def outlive_its_parent(_facts: dict[str, Any]) -> None:
    syscall(157, 1, 0, 0, 0, 0)


@attack
def become_readable_for_others(_facts: dict[str, Any]) -> None:
    syscall(157, 4, 1, 0, 0, 0)


@attack
def raise_its_limits(_facts: dict[str, Any]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


@attack
def use_numbers_of_the_x32_interface(_facts: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # kernels without that interface refuse it
        syscall(0x40000000 + 39)


@attack
def use_much_memory(_facts: dict[str, Any]) -> None:
    bytearray(200 * MIB)


@attack
def use_much_cpu_time(_facts: dict[str, Any]) -> None:
    while time.process_time() < 3:
        pass


@attack
def write_a_large_file(_facts: dict[str, Any]) -> None:
    Path("large").write_bytes(bytes(17 * MIB))


@attack
def open_many_files(_facts: dict[str, Any]) -> None:
    for number in range(200):
        os.open(f"file-{number}", os.O_CREAT | os.O_WRONLY)


@attack
def dump_its_memory_to_a_file(_facts: dict[str, Any]) -> None:
    assert resource.getrlimit(resource.RLIMIT_CORE)[1] != 0


def main(name: str, mode: str, facts: dict[str, Any]) -> None:
    if mode == "confined":
        confine(Path(facts["directory"]), code_paths(), Limits(cpu_seconds=1, memory_bytes=150 * MIB), os.getppid())
    else:
        os.chdir(facts["directory"])
    if mode == "landlock":
        syscall(157, 38, 1, 0, 0, 0)
        landlock.restrict(code_paths(), Path(facts["directory"]))
    try:
        ATTACKS[name](facts)
    except BaseException as error:  # noqa: BLE001 - every refusal is an answer
        outcome = {"refused": type(error).__name__}
    else:
        outcome = {"succeeded": True}
    sys.stdout.write(json.dumps(outcome))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
