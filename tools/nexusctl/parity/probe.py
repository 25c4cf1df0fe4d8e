"""Runs inside a container, by `docker exec CONTAINER python3 -c <this text> TASK SECONDS`, and prints JSON.

`observe` tells what the application's process is like, `await` when it was first healthy. The standard library
only; it is read as text and never imported, except by its tests.
"""

# ruff: noqa: T201 - it prints its result

import hashlib
import http.client
import importlib.metadata
import ipaddress
import json
import locale
import os
import resource
import ssl
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

Facts = dict[str, dict[str, str]]

_LISTENING = "0A"
_ENGINE_RESOLVER = "127.0.0.11"  # Docker's own name server listens there, at another port each time
# As docker/probe has them.
_HEARTBEAT = Path("/tmp/heartbeat")
_HEARTBEAT_SECONDS = "NEXUS_HEARTBEAT_SECONDS"
_BEATING = "beating"
_VOLATILE = ("_ms", "_seconds")
_KEPT_OUT = {"/proc", "/sys", "/dev"}
_STATUS = {
    "user and groups": ("Uid", "Gid", "Groups"),
    "capabilities": ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"),
    "privileges": ("NoNewPrivs", "Seccomp"),
}


def main() -> None:
    """Run the task given on the command line."""
    task, seconds = sys.argv[1], float(sys.argv[2])
    pids = application_processes()
    environment = read_environment(pids[0])
    if task == "await":
        print(json.dumps(first_answer(environment, seconds)))
    elif "_PARITY_PROBE" in os.environ:
        print(json.dumps(observe(pids, environment, seconds)))
    else:  # once more, in the environment of the application
        os.chdir(f"/proc/{pids[0]}/cwd")
        os.execve(sys.executable, sys.orig_argv, environment | {"_PARITY_PROBE": "1"})  # noqa: S606


def application_processes() -> list[int]:
    """Return the ids of the container's own processes: without the engine's init and this one."""
    parents = {}
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()):
        with suppress(OSError):  # health checks come and go
            parents[pid] = int(status(pid)["PPid"])
    return [pid for pid in sorted(parents) if is_below_first(pid, parents) and not is_init(pid)]


def is_below_first(pid: int, parents: dict[int, int]) -> bool:
    """Whether process 1 is the process or one of its ancestors; `docker exec` starts others."""
    while pid > 1:
        pid = parents.get(pid, 0)
    return pid == 1


def is_init(pid: int) -> bool:
    """Whether this is the engine's init (`init: true`)."""
    return command(pid)[0].endswith("docker-init")


def command(pid: int) -> list[str]:
    """Return a process' program and arguments."""
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1] or [""]


def status(pid: int) -> dict[str, str]:
    """Return /proc/<pid>/status as names and values."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: " ".join(value.split()) for name, _, value in (line.partition(":") for line in lines)}


def read_environment(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with."""
    entries = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def observe(pids: list[int], environment: dict[str, str], seconds: float) -> Facts:
    """Return the facts: point -> key -> value."""
    first = status(pids[0])
    answer = health(environment, seconds)
    return {
        "Python": {sys.version.split()[0]: "", str(sysconfig.get_config_var("SOABI")): ""},
        "distributions": {item.metadata["Name"]: item.version for item in importlib.metadata.distributions()},
        "process command": {" ".join(command(pid)): "" for pid in pids},
        "process environment": {name: value for name, value in environment.items() if name != "HOSTNAME"},
        "process working directory": {str(Path.cwd()): ""},
        "import path": {entry: str(place) for place, entry in enumerate(sys.path)},
        **{point: {name: first[name] for name in names} for point, names in _STATUS.items()},
        "file mode mask": {first["Umask"]: ""},
        "open files": {str(resource.getrlimit(resource.RLIMIT_NOFILE)): ""},
        "listening ports": listening(),
        "health status": {answer["status"]: ""} if answer else {},
        "health body": {answer["body"]: ""} if answer else {},
        "writable paths": dict.fromkeys(writable("/"), ""),
        "text encoding": {
            "file names": sys.getfilesystemencoding(),
            "locale": locale.getpreferredencoding(),
            "output": sys.stdout.encoding,
        },
        "time zone": {" ".join(time.tzname): time.strftime("%z", time.localtime(0))},
        "certificate authorities": certificates(),
    }


def listening() -> dict[str, str]:
    """Return address:port of each listening TCP socket."""
    found = {}
    for table in ("tcp", "tcp6"):
        lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:] if Path(f"/proc/net/{table}").exists() else []
        for fields in map(str.split, lines):
            words, port = fields[1].split(":")
            # In words of four bytes, each in the processor's order.
            packed = b"".join(bytes.fromhex(words[at : at + 8])[::-1] for at in range(0, len(words), 8))
            address = ipaddress.ip_address(packed)
            # The engine assigns other addresses each time.
            place = str(address) if address.is_unspecified or address.is_loopback else "own address"
            if fields[3] == _LISTENING and place != _ENGINE_RESOLVER:
                found[f"{place}:{int(port, 16)}"] = table
    return found


def health(environment: dict[str, str], seconds: float) -> dict[str, str]:
    """Return status and body of /health once everything is healthy, or the last answer after `seconds`.

    Empty where no port is told.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = ask(environment)
        if not answer or is_well(answer) or time.monotonic() > deadline:
            return answer
        time.sleep(0.1)


def is_well(answer: dict[str, str]) -> bool:
    """Return whether a service is ready and, in a body of our services' form, all of its dependencies are.

    One that was just started, or whose neighbour was, may be degraded for a moment.
    """
    return answer["status"] in {"200", _BEATING} and '"status": "degraded"' not in answer["body"]


def ask(environment: dict[str, str]) -> dict[str, str]:
    """Return status and body of /health now, without what differs at each call; empty if no port is known.

    A worker has no port: its status is "beating" or "none".
    """
    if _HEARTBEAT_SECONDS in environment:
        return {"status": _BEATING if is_beating(int(environment[_HEARTBEAT_SECONDS])) else "none", "body": ""}
    port = environment.get("THC_PORT") or environment.get("PORT")
    if not port:
        return {}
    try:
        with closing(http.client.HTTPConnection(f"127.0.0.1:{port}", timeout=5)) as connection:
            connection.request("GET", environment.get("THC_PATH") or "/health")
            answer = connection.getresponse()
            return {"status": str(answer.status), "body": steady(answer.read())}
    except (OSError, http.client.HTTPException) as error:
        return {"status": "none", "body": type(error).__name__}


def is_beating(limit: int) -> bool:
    """Whether the heartbeat file was modified at most `limit` seconds ago."""
    try:
        return time.time() - _HEARTBEAT.stat().st_mtime <= limit
    except OSError:
        return False


def steady(body: bytes) -> str:
    """Return a body without its durations, keys in order."""
    try:
        document = json.loads(body, object_hook=lambda item: {k: item[k] for k in item if not k.endswith(_VOLATILE)})
    except ValueError:
        return body.decode(errors="replace")
    return json.dumps(document, sort_keys=True)


def writable(folder: str) -> Iterator[str]:
    """Yield the topmost folders that the process may write to."""
    try:
        folders = sorted(entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    for path in [path for path in folders if path not in _KEPT_OUT] + (["/dev/shm"] if folder == "/" else []):
        if os.access(path, os.W_OK):
            yield path
        else:
            yield from writable(path)


def certificates() -> dict[str, str]:
    """Return subject and fingerprint of each certificate authority that a client trusts."""
    trusted = ssl.create_default_context()
    subjects = [str(item["subject"]) for item in trusted.get_ca_certs()]
    prints = [hashlib.sha256(certificate).hexdigest() for certificate in trusted.get_ca_certs(binary_form=True)]
    return dict(zip(prints, subjects, strict=True))


def first_answer(environment: dict[str, str], seconds: float) -> dict[str, float | None]:
    """Return the time (seconds since 1970) when it was first healthy, or None, and its memory in MB (10^6 bytes)."""
    deadline = time.monotonic() + seconds
    while ask(environment).get("status") not in {"200", _BEATING}:
        if time.monotonic() > deadline:
            return {"answered": None, "memory": None}
        time.sleep(0.01)
    answered = time.time()
    resident = [int(status(pid)["VmRSS"].split()[0]) for pid in application_processes()]
    return {"answered": answered, "memory": sum(resident) * 1024 / 1e6}


if __name__ == "__main__":
    main()
