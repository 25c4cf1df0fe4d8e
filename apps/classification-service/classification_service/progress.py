"""A progress bar on standard error."""

import sys
import time
from types import TracebackType
from typing import Self, TextIO

_WIDTH = 30
_REDRAW_SECONDS = 0.1


class Progress:
    """Shows how much of `total` is done, how fast, and how long the rest will take.

    On a terminal it is a bar that is redrawn in place; elsewhere only the last line is written.
    """

    def __init__(self, total: int, unit: str, stream: TextIO = sys.stderr) -> None:
        self._total = total
        self._unit = unit
        self._stream = stream
        self._live = stream.isatty()
        self._done = 0
        self._started = time.monotonic()
        self._drawn = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._live or error is None:
            self._stream.write(f"{self._start()}{self._line()}\n")

    def advance(self, amount: int = 1) -> None:
        """Count `amount` as done."""
        self._done += amount
        if self._live and time.monotonic() - self._drawn > _REDRAW_SECONDS:
            self._drawn = time.monotonic()
            self._stream.write(f"{self._start()}{self._line()}")
            self._stream.flush()

    def _start(self) -> str:
        return "\r\x1b[K" if self._live else ""

    def _line(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = self._done / seconds
        share = self._done / self._total if self._total else 1.0
        filled = round(share * _WIDTH)
        bar = "#" * filled + "." * (_WIDTH - filled)
        left = f", {(self._total - self._done) / rate:.0f} s left" if 0 < self._done < self._total else ""
        return f"[{bar}] {self._done}/{self._total} {self._unit}, {rate:.0f}/s, {seconds:.1f} s{left}"
