"""Programs in namespaces of their own (unshare(1)): their mounts and processes are invisible elsewhere, and end with them."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

# The first process of its namespace, so that everything ends with it. It ends when its standard input closes: at the end
# of the context, and also when this process is killed.
_FIRST_PROCESS = """
exec 3<&0
sh -euc "$0" sh "$@" </dev/null &
script=$!
{ cat <&3 >/dev/null; kill -KILL -1; } &
wait $script
"""


@contextmanager
def isolated(
    script: str, arguments: Sequence[str | Path], *, env: Mapping[str, str], log: Path, network: bool
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a shell script as root in namespaces of its own; kill all of its processes when the context ends.

    Args:
        script: for sh, with `arguments`.
        arguments: what the script gets.
        env: its whole environment.
        log: file for all output.
        network: whether it has the machine's network, or none.
    """
    namespaces = ["--mount", "--uts", "--ipc", "--pid", *([] if network else ["--net"])]
    command = ["unshare", *namespaces, "--fork", "--mount-proc", "sh", "-c", _FIRST_PROCESS, script, *arguments]
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"$ {' '.join(map(str, arguments))}\n")
    with (
        log.open("ab") as stream,
        subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=stream, stderr=stream) as process,
    ):
        try:
            yield process
        finally:
            if process.stdin:
                process.stdin.close()
            process.wait()
