"""Unwanted files in images: programs that help an intruder, and files that grant privileges."""

import re
import stat
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import PurePosixPath
from tarfile import TarInfo
from typing import NamedTuple


class Kind(StrEnum):
    """Why a file does not belong in an image."""

    SHELL = "shell"
    INTERPRETER = "interpreter"
    PACKAGE_MANAGER = "package manager"
    COMPILER = "compiler"
    DOWNLOADER = "downloader"
    SETUID = "setuid or setgid"
    CAPABILITY = "file capability"
    WORLD_WRITABLE = "world-writable"


class Finding(NamedTuple):
    """One file that does not belong in an image; its path has no leading slash."""

    kind: Kind
    path: str


# Base names of programs. Interpreters: all but Python, which the services are written in.
_PROGRAMS = {
    Kind.SHELL: "ash bash bash-static busybox busybox.static csh dash elvish fish ksh ksh93 lksh mksh nu posh pwsh rbash rc rksh sash sh tcsh toybox "
    "xonsh yash zsh",
    Kind.INTERPRETER: "awk bun deno gawk guile irb java jjs js julia lua luajit mawk nawk node nodejs original-awk perl "
    "php qjs Rscript ruby tclsh wish",
    Kind.PACKAGE_MANAGER: "apk apt apt-cache apt-cdrom apt-config apt-get apt-key apt-mark aptitude brew cargo conda "
    "corepack cpan dnf dpkg dpkg-deb dpkg-divert dpkg-query dpkg-split dpkg-statoverride dselect easy_install emerge gem "
    "go mamba microdnf micromamba nix nix-env npm npx opkg pacman pdm pip pipx pnpm poetry rpm snap uv uvx yarn yum zypper",
    Kind.COMPILER: "ar as c++ c89 c99 cc cc1 cc1plus clang clang++ cmake collect2 cpp g++ gcc gdb gfortran gmake javac ld "
    "ld.bfd ld.gold ld.lld llc lld make mold musl-gcc nasm ninja nvcc objcopy ranlib rustc strip tcc yasm",
    Kind.DOWNLOADER: "aria2c axel curl ftp lftp lynx nc nc.openbsd nc.traditional ncat netcat rsync scp sftp socat ssh "
    "telnet tftp w3m wget wget2",
}
_KINDS = {name: kind for kind, names in _PROGRAMS.items() for name in names.split()}
# A program's name may have a target as prefix and a version as suffix: x86_64-linux-gnu-gcc-14, pip3.13, perl5.40.1.
_DECORATION = re.compile(r"^[a-z0-9_]+-linux-[a-z0-9]+-|-?\d{1,2}(?:\.\d+)*$")
# Package managers that are started as `python3 -m`.
_MODULE = re.compile(r"(?:^|/)(?:ensurepip|pip|setuptools)/__init__\.pyc?$")
_EXECUTABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
_WRITABLE = "tmp"
_CAPABILITY = "SCHILY.xattr.security.capability"


def scan(members: Iterable[TarInfo]) -> list[Finding]:
    """Return the unwanted files of a file system that `docker export` streams: `tarfile.open(..., mode="r|")`."""
    return [finding for member in members for finding in findings(member)]


def findings(member: TarInfo) -> Iterator[Finding]:
    """Yield every reason for which one file, folder or link does not belong in an image."""
    path = PurePosixPath("/", member.name)
    name = str(path).lstrip("/")
    kind = None if member.isdir() else _program(path, executable=bool(member.mode & _EXECUTABLE))
    if kind:
        yield Finding(kind, name)
    if member.mode & (stat.S_ISUID | stat.S_ISGID):
        yield Finding(Kind.SETUID, name)
    if _CAPABILITY in member.pax_headers:
        yield Finding(Kind.CAPABILITY, name)
    if member.mode & stat.S_IWOTH and not member.issym() and name != _WRITABLE:
        yield Finding(Kind.WORLD_WRITABLE, name)


def _program(path: PurePosixPath, *, executable: bool) -> Kind | None:
    if _MODULE.search(str(path)):
        return Kind.PACKAGE_MANAGER
    if not executable and path.parent.name not in {"bin", "sbin"}:
        return None
    return _KINDS.get(path.name) or _KINDS.get(_DECORATION.sub("", path.name))
