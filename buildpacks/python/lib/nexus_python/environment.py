"""Launch environment from BPE_* variables, as Paketo's environment-variables buildpack defines them."""

import difflib
import re
from collections.abc import Mapping

from nexus_python import errors

PREFIX = "BPE_"
ACTIONS = ("APPEND", "DEFAULT", "DELIM", "OVERRIDE", "PREPEND")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIMILAR = 0.8


def launch_files(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the files of a layer's `env.launch` folder, name to content, that the BPE_* variables ask for.

    `BPE_X` sets X; `BPE_DEFAULT_X`, `BPE_APPEND_X`, `BPE_PREPEND_X`, `BPE_OVERRIDE_X` and `BPE_DELIM_X` do what the
    buildpack specification says of the file suffixes of these names.

    Raises:
        BuildError: a variable names no variable, or its action is misspelt.
    """
    variables = {key: value for key, value in sorted(environ.items()) if key.startswith(PREFIX)}
    return {_file_name(key): value for key, value in variables.items()}


def _file_name(key: str) -> str:
    rest = key.removeprefix(PREFIX)
    first, _, name = rest.partition("_")
    if first in ACTIONS:
        _check_name(key, name)
        return f"{name}.{first.lower()}"
    _check_name(key, rest)
    # BPE_DEFUALT_PORT would quietly set a variable DEFUALT_PORT.
    if name and (close := difflib.get_close_matches(first, ACTIONS, n=1, cutoff=_SIMILAR)):
        raise errors.misspelt_variable(key, f"{PREFIX}{close[0]}_{name}")
    return rest


def _check_name(key: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise errors.no_variable_name(key)
