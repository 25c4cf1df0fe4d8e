import os
import subprocess
import sys
from pathlib import Path

import pytest
from lifecycle import Lifecycle
from nexus_python.errors import BuildError
from nexus_python.lockfile import read_lock

HASH = "0" * 64
H = f"--hash=sha256:{HASH}"
M = "python_version >= '3.9'"
NEVER = "python_version < '3'"
PYTHON = (3, 13)


def _write(folder: Path, text: str) -> Path:
    path = folder / "requirements.txt"
    path.write_bytes(text.encode())
    return path


def _refusal(folder: Path, text: str) -> str:
    """Return the message with which a lock is refused."""
    with pytest.raises(BuildError) as raised:
        read_lock(_write(folder, text), PYTHON)
    return str(raised.value)


@pytest.mark.parametrize(
    ("line", "requirement"),
    [
        (f"a==1.0 {H}", ("a", "1.0")),
        (f"a-b.c==1.0+cpu {H} {H} # via d", ("a-b.c", "1.0+cpu")),
        (f"a[x,y]==1!2.0rc1 ; sys_platform == 'linux' \\\n    {H}", ("a", "1!2.0rc1")),
        (f"a == 1.0 \\\n    {H} \\\n    {H}\n    # via d", ("a", "1.0")),
        (f"a==1.0 ; {M} \\\r\n    {H}\r\n", ("a", "1.0")),
        (f"a==1.0 \\\n    {H}\t{H}", ("a", "1.0")),
        (f"# -*- coding: utf-8 -*-\na==1.0 {H}", ("a", "1.0")),
        (f"\ufeff# lock\na==1.0 {H}", ("a", "1.0")),
        (f"# built in C:\\wheels\\\na==1.0 {H}", ("a", "1.0")),
        (f"a==1.0 --hash=sha256:{'A' * 64}", ("a", "1.0")),
        (f"a==1.0 {H} --hash=sha512:{'0' * 128}", ("a", "1.0")),
        (f"a==1.0 --hash=sha384:{'0' * 96}", ("a", "1.0")),
    ],
)
def test_pinned_and_hashed_lines_are_read(tmp_path: Path, line: str, requirement: tuple[str, str]) -> None:
    assert read_lock(_write(tmp_path, line), PYTHON).requirements == (requirement,)


def test_what_applies_here_is_told_by_the_markers(tmp_path: Path) -> None:
    text = f"a==1.0 ; {M} {H}\nb==2.0 ; {NEVER} {H}\nc==3.0 ; extra == 'x' {H}\nd==4.0 {H}\n"

    lock = read_lock(_write(tmp_path, text), PYTHON)

    assert lock.requirements == (("a", "1.0"), ("b", "2.0"), ("c", "3.0"), ("d", "4.0"))
    assert lock.applicable == (("a", "1.0"), ("d", "4.0"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a==1.0", "it carries no --hash=sha256:..."),
        (f"a==1.0 --hash=md5:{HASH}", "it carries no --hash=sha256:..."),
        (f"a==1.* {H}", "it is not of the form name==version --hash=sha256:..."),
        (f"a==1.0,>0 {H}", "it is not of the form name==version --hash=sha256:..."),
        (f"a===1.0 {H}", "it is not of the form name==version --hash=sha256:..."),
        (f"a {H}", "it is not pinned to one version with =="),
        (f"a>=1.0 ; {M} {H}", "it is not pinned to one version with =="),
        ("./local", "it is not pinned to one version with =="),
        ("a @ file:///a.whl", "it points at an address, which a build without a network cannot fetch"),
        (
            f"a @ https://a.example/a.whl ; {M} {H}",
            "it points at an address, which a build without a network cannot fetch",
        ),
        ("a==1.0 \\", "it carries no --hash=sha256:..."),
        (
            f"a==1.0 ; {M} \\\n    {H} \\\nb==2.0 ; {M} \\\n    {H}",
            "`b==2.0` appears between or after its hashes; check the backslashes at the ends of its lines",
        ),
        (
            f"a==1.0 \\\n    {H} \\\nb==2.0 \\\n    {H}",
            "`b==2.0` appears between or after its hashes; check the backslashes at the ends of its lines",
        ),
        (
            f"a==1.0 ; {M} --index-url https://a.example {H}",
            "`--index-url` is an option of pip, and only --hash may follow a requirement",
        ),
        (f"a==1.0 ; {M} {H} -e .", "`-e` is an option of pip, and only --hash may follow a requirement"),
        (f"a==1.0 {H} --config-settings=x=y", "`--config-settings=x=y` is an option of pip, and only --hash may follow a requirement"),
        (f"a==1.0 ; {M} https://a.example/b.whl {H}", f"`{M} https://a.example/b.whl` is not an environment marker"),
        (f"a==1.0 ; python_verson > '3' {H}", "`python_verson > '3'` is not an environment marker"),
        (f"a==1.0 ; 'x' == 'x' {H}", '`"x" == "x"` is not an environment marker'),
        (f"a==1.0 \\ \n    {H}", "a blank follows the backslash at its end, so the line ends there"),
        (f"a==1.0 \\\t\n    {H}", "a blank follows the backslash at its end, so the line ends there"),
        (f"a==1.0 \\\n\t{H}", "a tab or a no-break space precedes a dash, where pip expects a space"),
        (f"a==1.0\u00a0{H}", "a tab or a no-break space precedes a dash, where pip expects a space"),
        (f"a==1.0 {H}\u00a0{H}", f"`{H}\u00a0{H}` does not hold 64 hexadecimal digits"),
        (f"a==1.0 {H}0", f"`{H}0` does not hold 64 hexadecimal digits"),
        (f"a==1.0 --hash=sha512:{HASH}", f"`--hash=sha512:{HASH}` does not hold 128 hexadecimal digits"),
        (f"a==1.0 --hash=sha256:{'g' * 64}", f"`--hash=sha256:{'g' * 64}` does not hold 64 hexadecimal digits"),
        (
            f"a==1.0 {H} --hash=md5:{'0' * 32}",
            f"`--hash=md5:{'0' * 32}` is not of the form --hash=sha256:..., --hash=sha384:... or --hash=sha512:...",
        ),
        (f"a==${{VERSION}} {H}", "pip replaces ${VERSION} in it by an environment variable of the build"),
        (
            f"a==1.0 {H}  # built in C:\\wheels\\\nb==2.0 {H}",
            "its comment ends in a backslash, which makes the next line a part of the comment",
        ),
        (
            f"a==1.0 {H} # one \\\n{H} # two",
            "its comment ends in a backslash, which makes the next line a part of the comment",
        ),
    ],
)  # fmt: skip
def test_any_other_line_is_refused_with_its_reason(tmp_path: Path, line: str, reason: str) -> None:
    message = _refusal(tmp_path, f"# header\n{line}\n")

    assert f"A line of the lock is refused: {reason}." in message.splitlines()[3]
    assert message.splitlines()[0] == "ERROR: requirements.txt line 2 cannot be installed safely"


def test_the_line_of_a_comment_that_swallows_the_next_is_named(tmp_path: Path) -> None:
    message = _refusal(tmp_path, f"a==1.0 \\\n  {H} \\\n  {H} # C:\\\nb==2.0 {H}\n")

    assert message.splitlines()[0] == "ERROR: requirements.txt line 3 cannot be installed safely"


def test_a_long_line_is_shown_in_part(tmp_path: Path) -> None:
    message = _refusal(tmp_path, f"a==1.0 {' '.join([H] * 50)} b\n")

    (found,) = (line for line in message.splitlines() if line.startswith("  line 1: "))
    assert found == f"  line 1: {f'a==1.0 {H} {H} {H}'[:200]}..."


@pytest.mark.parametrize("coding", ["latin-1", "utf-7", "cp1252"])
def test_a_lock_that_declares_another_encoding_is_refused(tmp_path: Path, coding: str) -> None:
    message = _refusal(tmp_path, f"# lock\n# vim: set fileencoding={coding} :\na==1.0 {H}\n")

    assert message.splitlines()[0] == f"ERROR: requirements.txt declares the encoding {coding}"


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("# This file is autogenerated by pip-compile with Python 3.13", True),
        ("# This file is autogenerated by pip-compile with Python 3.12", False),
        ("# This file is autogenerated by pip-compile with python 3.9", False),
        ("#    uv pip compile --python-version 3.13 pyproject.toml", True),
        ("#    uv pip compile --python-version=3.11 pyproject.toml", False),
        ("#    uv pip compile pyproject.toml -p 3.12 -o requirements.txt", False),
        ("#    uv pip compile pyproject.toml -p3.12", False),
        ("#    uv pip compile pyproject.toml -p 3.13.2", True),
        ("#    uv pip compile --python 3.12 pyproject.toml", False),
        ("#    uv pip compile --python /usr/bin/python3.12 pyproject.toml", False),
        ("#    uv pip compile --python 3.12 --python-version 3.13 pyproject.toml", True),
        ("#    uv --quiet pip compile --python-version 3.12 pyproject.toml", False),
        ("#    uv pip compile --universal --python-version 3.9 pyproject.toml", True),
        ("#    uv pip compile --python-version 3.13 --universal pyproject.toml", True),
        ("#    uv pip compile --universal --python-version 3.14 pyproject.toml", False),
        ("#    uv pip compile --universal --no-universal --python-version 3.9 pyproject.toml", False),
        ("#    uv pip compile --universal pyproject.toml", True),
        ("#    uv pip compile pyproject.toml --python-version", True),
        ("#    uv export --python 3.12 --no-dev -o requirements.txt", True),
        ("#    make lock", True),
        ("#    make lock (Python 3.13)", True),
        ("#    make lock (Python 3.12)", False),
        ("# Runs on Python 3.11 and Python 3.13.", True),
        ("# python-version 3.12 was dropped", True),
    ],
)
def test_the_header_says_for_which_python_a_lock_was_made(tmp_path: Path, header: str, *, accepted: bool) -> None:
    path = _write(tmp_path, f"#\n{header}\na==1.0 {H}  # for python 3.1\n# with Python 3.12\n")

    if accepted:
        assert read_lock(path, PYTHON).requirements == (("a", "1.0"),)
    else:
        with pytest.raises(BuildError, match=r"^ERROR: requirements\.txt was made for another Python") as raised:
            read_lock(path, PYTHON)
        assert f"  requirements.txt says: {header}" in str(raised.value).splitlines()


_PIP_READS = """
import sys
from pip._internal.network.session import PipSession
from pip._internal.req.req_file import parse_requirements
for line in parse_requirements(sys.argv[1], PipSession()):
    print(line.requirement.partition("==")[0].partition("[")[0].strip(), sorted(line.options["hashes"]))
"""


def test_pip_reads_the_same_distributions_of_a_lock(tmp_path: Path) -> None:
    pieces = (
        f"a==1.0 {H}",
        f"b[x]==2.0 ; {M} \\\n    {H} \\\n\t{H}\n    # via a",
        f"c==3 \\\n\\\n  {H} # C:\\x",
        "# D:\\",
    )
    path = _write(tmp_path, "\n".join(pieces))

    lock = read_lock(path, PYTHON)

    command = [sys.executable, "-c", _PIP_READS, str(path)]
    environ = {"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}
    read = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.splitlines()
    assert read == [f"{name} ['sha256']" for name, _ in lock.requirements]
    assert len(read) == 3


def test_every_locked_distribution_that_applies_is_installed(application: Lifecycle) -> None:
    lock = (application.app / "requirements.txt").read_text("utf-8")
    application.write({"requirements.txt": lock + f"gamma==1.0 ; {NEVER} {H}\n"})

    result = application.build("python")

    assert "  Packages: 2 distributions installed\n" in result.output
    assert result.status == 0
