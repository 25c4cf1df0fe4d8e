from pathlib import Path

import pytest
from lifecycle import Lifecycle
from nexus_python.errors import BuildError
from nexus_python.procfile import Process, read_procfile
from nexus_python.programs import check_programs
from nexus_python.shellwords import find_shell_feature, split_command
from wheels import lock_line, write_wheel

SCRIPTS = Path("/layers/packages/bin")
WEB = Process("web", ("python3", "-m", "shop"))


def _message(folder: Path, line: str) -> str:
    """Return the message with which a Procfile is refused."""
    (folder / "Procfile").write_text(f"# processes\n{line}\n", "utf-8")
    with pytest.raises(BuildError) as raised:
        read_procfile(folder)
    return str(raised.value)


def test_processes_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "# processes\nworker:python3 -m shop work\n\nweb:  python3 -c 'print(\"a b\")' \\$literal\n"
    (tmp_path / "Procfile").write_text(text, "utf-8")

    assert read_procfile(tmp_path) == (
        Process("worker", ("python3", "-m", "shop", "work")),
        Process("web", ("python3", "-c", 'print("a b")', "$literal")),
    )


@pytest.mark.parametrize(
    ("command", "feature"),
    [
        ("python3 -m a && python3 -m b", "&&"),
        ("python3 -m a | tee log", "|"),
        ("python3 -m a > log", ">"),
        ("python3 -m a; python3 -m b", ";"),
        ("python3 -m a &", "&"),
        ("(python3 -m a)", "("),
        ("gunicorn --bind 0.0.0.0:$PORT a", "$PORT"),
        ('gunicorn --bind "0.0.0.0:${PORT:-8000}" a', "${PORT:-8000}"),
        ("python3 -m a $(hostname)", "$(hostname)"),
        ("python3 -m a `hostname`", "`"),
        ("PORT=8000 python3 -m a", "PORT="),
        ("PATH+=:/x python3 -m a", "PATH+="),
        ("python3 -m a $@", "$@"),
        ('python3 -m a "$@"', "$@"),
        ("python3 -m a $*", "$*"),
        ("python3 -m a $1", "$1"),
        ("python3 -m a $0", "$0"),
        ("python3 -m a $$", "$$"),
        ("python3 -m a $?", "$?"),
        ("python3 -m a $#", "$#"),
        ("python3 -m a $!", "$!"),
        ("python3 -m a $-", "$-"),
        ("python3 -m a $((1+1))", "$((1+1)"),
        ("python3 -m a $[1+1]", "$[1+1]"),
        ("python3 -m a $'\\n'", "$"),
        ('python3 -m a $"text"', "$"),
        ("python3 *.py", "*"),
        ("python3 app-?.py", "?"),
        ("python3 app-[0-9].py", "[0-9]"),
        ("python3 ~/app.py", "~"),
        ("python3 ~nexus/app.py", "~nexus"),
        ("python3 -m a --home=~/data", "~"),
        ("python3 -m a {a,b}", "{a,b}"),
        ("python3 -m a {1..3}", "{1..3}"),
        ("{ python3 -m a", "{"),
        ("python3 -c 'print(1)'", None),
        ("python3 -c 'a > b; $PORT `x` $@ *.py ~/a {a,b} [a]'", None),
        ('python3 -c "a > b; it\'s | (fine) *.py ~ {a,b} [a]?"', None),
        ("python3 -m a \\$PORT \\; \\` \\* \\? \\[a] \\{a,b} \\~", None),
        ("python3 -m a --price 5$ --option=value", None),
        ("python3 -m a a~b 50% a@b a:b a,b a=b ] ^ !", None),
    ],
)
def test_what_only_a_shell_could_carry_out_is_found(command: str, feature: str | None) -> None:
    assert find_shell_feature(command) == feature


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("a  b\tc", ("a", "b", "c")),
        ("a 'b c'\"d e\"f", ("a", "b cd ef")),
        ("a '' \"\"", ("a", "", "")),
        ("a b\\ c \\\\ \\'", ("a", "b c", "\\", "'")),
        (r'a "\$PORT \` \" \\ \n"', ("a", r"$PORT ` " + '"' + r" \ \n")),
        (r"a '\$PORT'", ("a", r"\$PORT")),
        ("a b#c '#' \\#d", ("a", "b#c", "#", "#d")),
    ],
)
def test_words_are_those_that_a_shell_would_pass(command: str, words: tuple[str, ...]) -> None:
    assert split_command(command) == words


@pytest.mark.parametrize(
    ("line", "comment"),
    [
        ("web: python3 -m app # the server", "# the server"),
        ("web: python3 -m app #", "#"),
        ("web: python3 -m app\t#$PORT", "#$PORT"),
        ("web: # later", "# later"),
    ],
)
def test_a_comment_behind_a_command_is_refused(tmp_path: Path, line: str, comment: str) -> None:
    message = _message(tmp_path, line)

    assert message.splitlines()[0] == "ERROR: Procfile line 2 cannot be read"
    assert message.splitlines()[3] == (
        f"  A line of the Procfile is refused: `{comment}` would be passed to the program; put comments on lines of their own."
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("web: python3 -c 'print(1)", "nothing closes the '"),
        ('web: python3 -c "print(1)', 'nothing closes the "'),
        ("web: python3 -m app \\", "nothing follows the last \\"),
    ],
)
def test_quoting_that_is_not_complete_is_refused(tmp_path: Path, line: str, reason: str) -> None:
    message = _message(tmp_path, line)

    assert message.splitlines()[3] == f"  A line of the Procfile is refused: its quoting is not complete ({reason})."


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("exec python3 -m shop", "the image has no program `exec`"),
        ("sh -c 'python3 -m shop'", "the image has no program `sh`"),
        ("env A=b python3 -m shop", "the image has no program `env`"),
        ("cd shop", "the image has no program `cd`"),
        ("gunicorn shop", "the image has no program `gunicorn`"),
        ("shop", "the image has no program `shop`"),
        ("''", "the image has no program ``"),
        ("/bin/sh start", "the image has no program `/bin/sh`"),
        ("/usr/local/bin/python3 -m shop", "the image has no program `/usr/local/bin/python3`"),
        ("./absent", "the application has no file `./absent`"),
        ("shop/__main__.py", "the file `shop/__main__.py` does not have the mode of a program"),
        ("./for-env", "the first line of `./for-env` must name a Python of the image as interpreter (it names /usr/bin/env)"),
        ("./for-shell", "the first line of `./for-shell` must name a Python of the image as interpreter (it names /bin/sh)"),
        ("./text", "the first line of `./text` must name a Python of the image as interpreter (it names none)"),
    ],
)  # fmt: skip
def test_a_process_whose_program_is_not_in_the_image_is_refused(tmp_path: Path, command: str, reason: str) -> None:
    for name, text in {"for-env": "#!/usr/bin/env python3\n", "for-shell": "#!/bin/sh\n", "text": "print()\n"}.items():
        (tmp_path / name).write_text(text, "utf-8")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__main__.py").touch(mode=0o644)

    with pytest.raises(BuildError) as raised:
        check_programs([WEB, Process("worker", split_command(command))], tmp_path, SCRIPTS, ["alpha", "beta"])

    lines = str(raised.value).splitlines()
    assert lines[0] == "ERROR: The program of the process worker is not in the image"
    assert lines[3] == f"  Commands are started directly, without a shell, and {reason}."
    assert lines[6:8] == [
        f"  worker: {' '.join(split_command(command))}",
        "  programs of the image: alpha, beta, health-probe, python, python3, python3.13",
    ]


@pytest.mark.parametrize(
    "command",
    [
        "python3 -m shop",
        "python -m shop",
        "python3.13 -m shop",
        "/usr/bin/python3 -m shop",
        "/bin/python -m shop",
        "alpha --serve",
        "/layers/packages/bin/alpha --serve",
        "./start --port 8000",
        "tools/start",
        "./compiled",
        "health-probe",
        "/usr/local/bin/health-probe",
    ],
)
def test_programs_of_the_run_image_the_packages_and_the_application_are_accepted(tmp_path: Path, command: str) -> None:
    (tmp_path / "tools").mkdir()
    for name, content in {
        "start": b"#!/usr/bin/python3 -I\n",
        "tools/start": b"#! /bin/python\n",
        "compiled": b"\x7fELF",
    }.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o755)

    check_programs([Process("web", split_command(command))], tmp_path, SCRIPTS, ["alpha"])


def test_programs_of_packages_are_known_where_the_layer_of_the_previous_image_is_used(
    application: Lifecycle, tmp_path: Path
) -> None:
    wheel = write_wheel(tmp_path, "serve", "1.0", {"serve-1.0.data/scripts/serve": "#!python\n", "serve.py": ""})
    application.write({"requirements.txt": lock_line(wheel), "Procfile": "web: serve\n"})
    application.set(BP_PIP_FIND_LINKS=f"file://{tmp_path}")
    application.build("python")
    application.export()

    again = application.build("python")
    application.write({"Procfile": "web: other\n"})
    other = application.build("python")

    assert "taken from the previous image" in again.output
    assert again.status == 0
    assert "the image has no program `other`" in other.output
    assert other.status == 1
