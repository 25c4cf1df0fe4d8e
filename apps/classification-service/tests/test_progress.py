import io
import re
from typing import override

import pytest

from classification_service.progress import Progress


class Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_a_bar_that_grows() -> None:
    terminal = Terminal()
    with Progress(4, "rows", terminal) as progress:
        progress.advance(1)
        progress.advance(3)
    first, last = terminal.getvalue().split("\r\x1b[K")[1:]
    assert re.fullmatch(r"\[#{8}\.{22}\] 1/4 rows, \d+/s, 0\.0 s, 0 s left", first)
    assert re.fullmatch(r"\[#{30}\] 4/4 rows, \d+/s, 0\.0 s\n", last)


def test_a_file_sees_only_the_end() -> None:
    log = io.StringIO()
    with Progress(0, "rows", log):
        pass
    assert log.getvalue() == f"[{'#' * 30}] 0/0 rows, 0/s, 0.0 s\n"


def test_a_failure_leaves_no_line_in_a_file() -> None:
    log = io.StringIO()
    with pytest.raises(KeyError), Progress(2, "rows", log):
        raise KeyError
    assert log.getvalue() == ""
