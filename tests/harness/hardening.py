"""What a container is held to, as the engine and the kernel report it."""

from pathlib import Path
from typing import Any

from harness import engine
from nexusctl.workspace import Service, Worker, load

HELD: dict[str, Any] = {
    "user": f"{load().user_id}:{load().user_id}",
    "read-only root": True,
    "privileged": False,
    "capabilities dropped": ["ALL"],
    "capabilities added": None,
    "security options": ["no-new-privileges:true"],
    "init process": True,
    "restart policy": "unless-stopped",
    "devices": [],
    "namespaces of the host": [],
    "may write": [],
    "in memory": ["/tmp"],  # noqa: S108 # of the container
}
"""What every container is held to; stores may write their volumes, and a worker may have a user of its own."""
UNITS = {"k": 2**10, "m": 2**20, "g": 2**30}
CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
NAMESPACES = ("NetworkMode", "PidMode", "IpcMode", "UTSMode", "UsernsMode")


def held_by_engine(document: engine.Inspected) -> dict[str, Any]:
    """Return what the engine holds a container to, apart from its limits."""
    host = document["HostConfig"]
    return {
        "user": document["Config"]["User"],
        "read-only root": host["ReadonlyRootfs"],
        "privileged": host["Privileged"],
        "capabilities dropped": host["CapDrop"],
        "capabilities added": host["CapAdd"],
        "security options": host["SecurityOpt"],
        "init process": host.get("Init"),
        "restart policy": host["RestartPolicy"]["Name"],
        "devices": host["Devices"] or [],
        "namespaces of the host": [name for name in NAMESPACES if host[name] == "host"],
        "may write": [mount["Destination"] for mount in document["Mounts"] if mount["RW"]],
        "in memory": sorted(host.get("Tmpfs", {})),
    }


def limits_at_engine(document: engine.Inspected) -> dict[str, Any]:
    """Return what a container may use: bytes, processor cores, processes."""
    host = document["HostConfig"]
    return {"memory": host["Memory"], "cpus": host["NanoCpus"] / 1e9, "pids": host["PidsLimit"] or 0}


def limits_of_project(process: Service | Worker) -> dict[str, Any]:
    """Return what project.toml says that a container of a process may use."""
    limits = process.limits
    return {
        "memory": int(limits.memory[:-1]) * UNITS[limits.memory[-1]],
        "cpus": limits.cpus,
        "pids": limits.pids,
    }


def user_of_project(process: Service | Worker) -> int:
    """Return the user and group that project.toml says a process runs as."""
    return (process.user_id if isinstance(process, Worker) else None) or load().user_id


def rights(pid: int) -> dict[str, str]:
    """Return the rights of a process, as the kernel reports them."""
    status = engine.process_status(pid)
    root = next(line.split()[3] for line in Path(f"/proc/{pid}/mounts").read_text().splitlines() if " / " in line)
    return {
        "users": status["Uid"],
        "groups": f"{status['Gid']} {status['Groups']}",
        "capabilities": " ".join(sorted({status[name] for name in CAPABILITY_SETS})),
        "new privileges": "none" if status["NoNewPrivs"] == "1" else "can be had",
        "system calls": "filtered" if status["Seccomp"] == "2" else "all",
        "root": root.split(",")[0],
    }
