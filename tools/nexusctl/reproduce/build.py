"""One build of everything from only the tracked files, in an environment that must not affect any image."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nexusctl import shell
from nexusctl.reproduce.engine import Engine, running
from nexusctl.reproduce.isolation import isolated
from nexusctl.workspace import ROOT

# A user namespace for mmdebstrap needs a named user with a range of subordinate ids.
_SCRIPT = """
cd "$1"; tree=$2 user=$3 umask=$4 host=$5; shift 5
echo "$host" > /proc/sys/kernel/hostname
if [ "$user" != 0 ]; then
    mkdir upper work
    mount -t overlay overlay -o lowerdir=/etc,upperdir=upper,workdir=work /etc
    echo "nexus-reproduce:x:$user:$user::$HOME:/bin/sh" >> /etc/passwd
    echo "nexus-reproduce:x:$user:" >> /etc/group
    echo "nexus-reproduce:$((user * 65536)):65536" | tee -a /etc/subuid >> /etc/subgid
fi
cd "$tree"
umask "$umask"
for path in --pack --no-pack; do
    setpriv --reuid "$user" --regid "$user" --clear-groups tools/nexus build $path "$@"
done
"""
# Variables that would point a build to another build's caches, files or engine.
_LEFT_OUT = re.compile(
    r"XDG_.*|DOCKER_.*|COMPOSE_.*|PYTHON.*|VIRTUAL_ENV|LANGUAGE|LC_.*|TMP|TEMP|GO(TMPDIR|PATH|CACHE|MODCACHE|ENV)|(PIP|UV)_CACHE_DIR"
)


@dataclass(frozen=True)
class Circumstances:
    """The environment of a build, which differs between the two.

    `folder` is where the tree lies below the build's own folder, which has a home and a folder for temporary files too;
    `umask` is octal, `delay` in seconds.
    """

    name: str
    folder: str
    user: int
    umask: str
    host: str
    timezone: str
    locale: str
    delay: int


FIRST = Circumstances("first", "nexus", 0, "077", "first", "UTC0", "C", 0)
# The clocks differ, so that no timestamp of one build occurs in the other.
SECOND = Circumstances("second", "another folder/nexus", 12345, "002", "second.example", "NZST-12", "C.UTF-8", 30)


@dataclass(frozen=True)
class Build:
    """A running build."""

    engine: Engine
    process: subprocess.Popen[bytes]
    log: Path

    def is_done(self) -> bool:
        """Return whether the build has succeeded; raise NexusError if it or its engine has failed."""
        self.engine.require_running()
        status = self.process.poll()
        if status:
            raise shell.failure(f"the {self.engine.name} build failed", self.log)
        return status == 0


@contextmanager
def started(circumstances: Circumstances, folder: Path, names: Sequence[str]) -> Iterator[Build]:
    """Build the named services by both paths in the new `folder`, with an engine of its own; yield the running build."""
    name, user = circumstances.name, circumstances.user
    tree, home, temporary = folder / circumstances.folder, folder / "home", folder / "tmp"
    _copy_tracked_files(tree, int(circumstances.umask, 8))
    for path in (home, temporary):
        path.mkdir()
    for path in (tree, *tree.rglob("*"), home, temporary):
        os.chown(path, user, user, follow_symlinks=False)
    environment = {name: value for name, value in os.environ.items() if not _LEFT_OUT.fullmatch(name)}
    environment |= {"HOME": str(home), "TMPDIR": str(temporary), "TZ": circumstances.timezone}
    environment |= {"LANG": circumstances.locale, "LC_ALL": circumstances.locale}
    arguments: list[str | Path] = [folder, tree, str(user), circumstances.umask, circumstances.host, *names]
    log = shell.LOGS / f"reproduce-{name}.log"
    with running(name, folder / "engine", user) as engine:
        environment["DOCKER_HOST"] = engine.address
        with isolated(_SCRIPT, arguments, env=environment, log=log, network=True) as process:
            yield Build(engine, process, log)


def _copy_tracked_files(tree: Path, umask: int) -> None:
    """Copy the tracked files, as they are now, to the new folder `tree`, with the modes of a checkout under `umask`."""
    # Root may build a tree that belongs to another user.
    listed = shell.capture(["git", "-c", "safe.directory=*", "ls-files", "-z"])
    for name in filter(None, listed.split("\0")):
        if os.path.lexists(ROOT / name):  # else: removed, but not yet committed
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name, follow_symlinks=False)
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod((0o777 if runs else 0o666) & ~umask)
