from pathlib import Path

import pytest
from nexus_python.procfile import Process, find_shell_feature, read_procfile


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
        ("python3 -c 'print(1)'", None),
        ("python3 -c 'a > b; $PORT `x`'", None),
        ('python3 -c "a > b; it\'s | (fine)"', None),
        ("python3 -m a \\$PORT \\; \\`", None),
        ("python3 -m a --price 5$ --option=value", None),
    ],
)
def test_what_only_a_shell_could_carry_out_is_found(command: str, feature: str | None) -> None:
    assert find_shell_feature(command) == feature
