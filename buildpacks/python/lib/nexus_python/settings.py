"""What the person who builds asks for: the BP_* and BPE_* variables, read and checked once."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nexus_python import errors
from nexus_python.environment import launch_files
from nexus_python.labels import parse_labels

VARIABLES = (
    "BP_CPYTHON_VERSION",
    "BP_DIRECT_PROCESS",
    "BP_EMBED_CERTS",
    "BP_IMAGE_LABELS",
    "BP_NEXUS_PRUNE",
    "BP_PIP_FIND_LINKS",
    "BP_PIP_REQUIREMENT",
)
SIBLING_VARIABLES = ("BP_NEXUS_ACCELERATOR", "BP_NEXUS_HEALTHCHECK")

_OWN_PREFIX = "BP_NEXUS_"
_SIMILAR = 0.86
_BOOLEANS = dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True) | dict.fromkeys(
    ("0", "f", "F", "FALSE", "false", "False"), False
)


@dataclass(frozen=True)
class Settings:
    """The checked settings of one build.

    Attributes:
        requirements: lock files, relative to the application.
        find_links: folders with wheels, beside those of pip's own configuration.
        python: version constraint, or "" for any.
        prune: globs relative to site-packages.
        labels: of the image.
        launch_environment: files of a layer's env.launch folder, name to content.
        embed_certificates: whether CA certificates bound at build time go into the image.
        ignored: names of BP_* variables that neither this buildpack nor its siblings read.
    """

    requirements: tuple[str, ...]
    find_links: tuple[str, ...]
    python: str
    prune: tuple[str, ...]
    labels: dict[str, str]
    launch_environment: dict[str, str]
    embed_certificates: bool
    ignored: tuple[str, ...]


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from the build's environment.

    Raises:
        BuildError: a name is misspelt or a value is none of those that the variable takes.
    """
    ignored = _check_names(environ)
    if not _boolean(environ, "BP_DIRECT_PROCESS", default=True):
        raise errors.shell_process()
    return Settings(
        requirements=tuple(environ.get("BP_PIP_REQUIREMENT", "").split()) or ("requirements.txt",),
        find_links=tuple(environ.get("BP_PIP_FIND_LINKS", "").split()),
        python=environ.get("BP_CPYTHON_VERSION", "").strip(),
        prune=check_globs(environ.get("BP_NEXUS_PRUNE", "").split()),
        labels=parse_labels(environ.get("BP_IMAGE_LABELS", "")),
        launch_environment=launch_files(environ),
        embed_certificates=_boolean(environ, "BP_EMBED_CERTS", default=False),
        ignored=ignored,
    )


def check_globs(globs: list[str]) -> tuple[str, ...]:
    """Return `globs` if each stays inside the folder it is relative to.

    Raises:
        BuildError: a glob is absolute, climbs out with `..`, or names the folder itself.
    """
    for glob in globs:
        path = PurePosixPath(glob)
        if path.is_absolute() or ".." in path.parts or glob.strip("*/.") == "":
            raise errors.unsafe_prune(glob)
    return tuple(globs)


def resolve_find_links(app: Path, find_links: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the folders that BP_PIP_FIND_LINKS names, `file://` or relative to the application.

    Raises:
        BuildError: one is not a folder.
    """
    folders = tuple((app / link.removeprefix("file://")).resolve() for link in find_links)
    for link, folder in zip(find_links, folders, strict=True):
        if not folder.is_dir():
            raise errors.missing_find_links(link)
    return folders


def _check_names(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the BP_* names nobody here reads; a name that looks like a misspelt one is an error."""
    known = [*VARIABLES, *SIBLING_VARIABLES]
    unknown = sorted(name for name in environ if name.startswith("BP_") and name not in known)
    for name in unknown:
        if close := difflib.get_close_matches(name, known, n=1, cutoff=_SIMILAR):
            raise errors.misspelt_variable(name, close[0])
        if name.startswith(_OWN_PREFIX):
            raise errors.unknown_variable(
                name, [known_name for known_name in known if known_name.startswith(_OWN_PREFIX)]
            )
    return tuple(unknown)


def _boolean(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = environ.get(name, "")
    if not value:
        return default
    if value not in _BOOLEANS:
        raise errors.unknown_value(name, value, ["true", "false"])
    return _BOOLEANS[value]
